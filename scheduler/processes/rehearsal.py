"""`--sandbox`: a private gateway in the real one's place, and settings that suit it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.running.process import PrivateSandbox
from worker.settings.settings import Settings
from worker.store.engine import Store

SUITABLE: Final = {"device_rate": None, "first_poll_seconds": 0.5, "max_poll_seconds": 5.0, "settle_seconds": 10.0}
"""What a sandbox on this machine allows, where the setting was not given: no phone to spare, answers in seconds."""


def rehearsal_settings(settings: Settings) -> Settings:
    """The settings with what suits a sandbox where nothing else was asked for."""
    suitable = {name: value for name, value in SUITABLE.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=suitable)


@contextmanager
def private_sandbox(
    settings: Settings, options: SandboxOptions | None = None, *, webhook: str | None = None
) -> Iterator[tuple[str, SecretStr]]:
    """(address, key) of a sandbox that lives as long as the block. Raises `SandboxError`.

    `webhook` is told replies. The ledger lies beside the database: a rehearsal that was interrupted finds its messages
    again.
    """
    chosen = options or SandboxOptions(ledger=ledger_path(settings), webhook=webhook)
    with PrivateSandbox.start(chosen) as sandbox:
        yield sandbox.url, SecretStr(sandbox.key)


def ledger_path(settings: Settings) -> Path:
    """Where a rehearsal's gateway keeps what it accepted."""
    database = Store(settings.database_url).sqlite_path
    return database.with_name(f"{database.name}.sandbox.jsonl") if database else Path("campaigns.sandbox.jsonl")
