"""How a sandbox should behave."""

import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from worker.sandbox.errors import SandboxError
from worker.sandbox.faults.plan import FaultPlan
from worker.sandbox.phones.life import LifeRules

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
KEY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without i, l, o, 0 and 1, which are misread when a key is typed


class Profile(StrEnum):
    """The two ways in which servers of this API were seen to write their replies."""

    STRINGS = "strings"  # ids as text, dates with `+02:00`, nothing found = error 404 (the documentation)
    INTS = "ints"  # ids as numbers, dates with `+0600`, nothing found = an empty list, more fields (recorded replies)


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Everything that can be set. Raises `SandboxError` for values that make no sense.

    `port` 0 takes a free one. `key` None: see `with_key`. `ledger` None keeps everything in memory only. `credits` None
    is unlimited; otherwise one credit is one message. `pace_per_second` counts messages per SIM. `failed` and
    `no_report` are shares (0..1) of the numbers that fail or never get a delivery report, by number and `seed`.
    `group_per_device` gives each device's part of a request its own group, instead of one group per request.

    Its clock is `clock_ahead_seconds` ahead of this machine's, in dates and windows. With `heeds_time` False a read
    ignores the time and shows what matches otherwise. `faults` is what goes wrong from the start, `fault_log` a file
    for the faults drawn; `proxy` puts the proxy for faults below HTTP in front even if `faults` has none of them yet.
    """

    port: int = 0
    key: str | None = None
    ledger: Path | None = None
    profile: Profile = Profile.STRINGS
    webhook: str | None = None
    pace_per_second: float = 50.0
    delivery_min_seconds: float = 0.3
    delivery_max_seconds: float = 1.5
    failed: float = 0.0
    no_report: float = 0.0
    credits: int | None = None
    group_per_device: bool = False
    seed: int = 0
    clock_ahead_seconds: float = 0.0
    heeds_time: bool = True
    faults: FaultPlan = field(default_factory=FaultPlan)
    fault_log: Path | None = None
    proxy: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SandboxError(f"The port {self.port} does not exist: choose one from 0 (any free one) to 65535.")
        if self.key == "":
            raise SandboxError("The sandbox's key is empty: give one, or leave it out to have one made.")
        if self.pace_per_second <= 0:
            raise SandboxError("The pace must be more than 0 messages per second.")
        if not 0 <= self.delivery_min_seconds <= self.delivery_max_seconds:
            raise SandboxError("The delivery delays must be 0 seconds or more, the smallest first.")
        if min(self.failed, self.no_report) < 0 or self.failed + self.no_report > 1:
            raise SandboxError("The shares `failed` and `no_report` must be 0 or more and at most 1 together.")
        if self.credits is not None and self.credits < 0:
            raise SandboxError("Credits must be 0 or more; leave them out for unlimited credits.")
        if self.webhook is not None and not _is_on_this_machine(self.webhook):
            # A sandbox signs with a key that is printed on a terminal: its events are for programs on this machine.
            raise SandboxError("The sandbox's webhook must be an http:// address on 127.0.0.1 or localhost.")

    def with_key(self) -> "SandboxOptions":
        """Return the same options, with a fresh readable key (`sandbox-` and 12 characters) if there was none."""
        if self.key is not None:
            return self
        return replace(self, key="sandbox-" + "".join(secrets.choice(KEY_ALPHABET) for _ in range(12)))

    @property
    def has_proxy(self) -> bool:
        """Return whether clients talk to a proxy in front of the sandbox."""
        return self.proxy or self.faults.needs_proxy

    def life_rules(self) -> LifeRules:
        """Return the part that determines a message's life."""
        return LifeRules(
            pace_per_second=self.pace_per_second,
            delivery_min_seconds=self.delivery_min_seconds,
            delivery_max_seconds=self.delivery_max_seconds,
            failed=self.failed,
            no_report=self.no_report,
            seed=self.seed,
        )


def _is_on_this_machine(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS and port != 0
