"""Who did what, and whether the record of it is as it was written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from campaigns.display import utc
from campaigns.values.durations import parse_duration
from scheduler.actions.reading.pages import Page
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.seen import AuditedShape
from worker.store import audit
from worker.store.audit import Audited, AuditFilter, Head
from worker.store.engine import Store
from worker.store.reports.audit_chain import Anchor, BrokenChain, ChainFault, examine, unrecorded

FAULTS: Final[Mapping[ChainFault, str]] = {
    ChainFault.CHANGED: "entry {id} was changed, or does not follow the entry before it",
    ChainFault.MISSING: "entry {id} was removed",
    ChainFault.INSERTED: "entry {id} was not written by this program",
    ChainFault.REWRITTEN: "entry {id} is not the one that was noted; the audit was written anew",
    ChainFault.HEAD: "the record of the audit's end was changed or removed; the last entry found is {id}",
}
"""What is wrong, and with which entry."""


ACTIONS: Final = frozenset({
    "add_token", "add_user", "answer", "approve", "cancel", "contact_added",
    "contact_unsubscribed", "erase", "forget", "message", "migrate", "move", "move_finished", "move_undone",
    "pause", "recover", "remove_token", "remove_user", "repeat_call", "resend",
    "resolve", "resume", "review", "set_password", "set_role", "sign_in",
    "sign_in_failed", "sign_in_first", "sign_out", "stop", "submit", "suppress",
    "test", "test_given_up", "throttle", "unsuppress", "upload",
})  # fmt: skip
"""Everything that is audited."""


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """The first fault of the audit, or None; and the end of it, to be compared with one that is kept elsewhere."""

    broken: BrokenChain | None
    head: Head

    def __str__(self) -> str:
        if self.broken is None:
            if not self.head.entries:
                return "the audit is whole: it has no entries yet"
            noted = f"{self.head.last_id}:{self.head.digest}"
            return f"the audit is whole: {self.head.entries:,} entries. Keep its end to check against later: {noted}"
        fault = FAULTS[self.broken.fault].format(id=self.broken.id)
        return f"the audit is broken: {fault}; compare it with a backup, and find out who can write to the database"

    def as_json(self) -> dict[str, Any]:
        """Return the object of `audit --verify --json`."""
        broken = {} if self.broken is None else {"fault": self.broken.fault.value, "entry": self.broken.id}
        return {
            "whole": self.broken is None,
            **broken,
            "entries": self.head.entries,
            "last": self.head.last_id,
            "digest": self.head.digest,
        }


def read_audit(
    store: Store,
    *,
    campaign: str = "",
    actor: str = "",
    action: str = "",
    since: datetime | None = None,
    after: int = 0,
    limit: int,
) -> Page[Audited]:
    """Return what was done, the newest first; `after` is the id of the last entry of the page before, or 0.

    `actor` is a name, or a kind and a name (`token:ci`).
    """
    wanted = AuditFilter(campaign, actor, action, since)
    with store.look() as connection:
        found = audit.entries(connection, wanted, after=after or None, limit=limit)
    return Page(found, found[-1].id if len(found) == limit else None)


def known_anchor(text: str) -> Anchor:
    """Return a noted end of the audit, `ID:DIGEST`. Raises `ValueError`."""
    if (parts := re.fullmatch(r"\s*([1-9][0-9]{0,17}):([0-9a-fA-F]{64})\s*", text)) is None:
        raise ValueError(f"{text} is not the end of an audit: copy it from `campaigns audit --verify`")
    return Anchor(int(parts[1]), parts[2].lower())


def check_audit(store: Store | None, anchor: Anchor | None = None) -> AuditCheck:
    """Check every entry against the one before, from the first to the last, and against an end noted earlier.

    `store` None: there is no database.
    """
    if store is None:
        return AuditCheck(BrokenChain(ChainFault.MISSING, 1) if anchor else None, Head())
    with store.read() as session:
        found = examine(session, anchor)
        broken = found.broken
        if broken is None and unrecorded(session, found.latest):
            broken = BrokenChain(ChainFault.MISSING, found.end.last_id + 1)
        return AuditCheck(broken, found.end)


def audit_json(entry: Audited) -> AuditedShape:
    """Return an entry as one object; what it does not say is left out."""
    said = {
        "campaign": entry.campaign,
        "run": entry.run_id,
        "plan": entry.plan_hash,
        "subject": entry.subject,
        "from": entry.origin,
        "detail": dict(entry.detail),
    }
    who = {"id": entry.id, "at": utc(entry.at), "actor": f"{entry.actor_kind}:{entry.actor}", "action": entry.action}
    told = who | {name: value for name, value in said.items() if value} | {"digest": entry.digest}
    return cast(AuditedShape, told)


def begins_at(text: str, zone: ZoneInfo, *, now: datetime) -> datetime:
    """Return the moment that is meant by a day or a time by the clocks of a zone, or by how long ago it was.

    Raises `Refused`.
    """
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        sentence = "since is not a time: write 2026-12-01, 2026-12-01T09:00 or 7d"
        raise Refused(Refusal.INVALID, sentence, field="since") from None
