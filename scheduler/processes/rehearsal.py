"""`--sandbox`: a private gateway instead of the real one, and settings that suit it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from worker.sandbox.running.options import Profile, SandboxOptions
from worker.settings.settings import Settings
from worker.store.engine import Store

SUITABLE: Final = {"device_rate": None, "first_poll_seconds": 0.5, "max_poll_seconds": 5.0, "settle_seconds": 10.0}
"""Defaults for a sandbox on this machine, used for settings that are not set: there is no phone to spare, and answers
come within seconds."""

PROFILE: Final = Profile.INTS
"""How servers were recorded to answer. The documented form has no result codes: no failed text would ever be proven
unsent, and nobody could try a resend."""


def rehearsal_settings(settings: Settings) -> Settings:
    """Return the settings, with defaults for a sandbox where nothing else was set."""
    suitable = {name: value for name, value in SUITABLE.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=suitable)


@contextmanager
def private_sandbox(
    settings: Settings, options: SandboxOptions | None = None, *, webhook: str | None = None
) -> Iterator[tuple[str, SecretStr]]:
    """(address, key) of a sandbox that lives as long as the block. Raises `SandboxError`.

    `webhook` receives replies. The ledger is kept beside the database: an interrupted rehearsal finds its messages
    again.
    """
    from worker.sandbox.running.process import PrivateSandbox  # with uvicorn: a preview has no gateway

    chosen = options or SandboxOptions(ledger=ledger_path(settings), profile=PROFILE, webhook=webhook)
    with PrivateSandbox.start(chosen) as sandbox:
        yield sandbox.url, SecretStr(sandbox.key)


def ledger_path(settings: Settings) -> Path:
    """Return where a rehearsal's gateway keeps what it accepted."""
    database = Store(settings.database_url).sqlite_path
    return database.with_name(f"{database.name}.sandbox.jsonl") if database else Path("campaigns.sandbox.jsonl")
