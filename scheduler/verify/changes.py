"""What changed while a campaign was sent: limits, and the version of its file; which device a request counts for."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from scheduler.verify.facts import RunFacts, json_of
from worker.store.tables import audit_entries, campaigns, ceilings, definitions

LIFTED: Final = ("none", 0)
"""What the audit says of a rate and of a daily budget that were lifted."""


class LimitChanges:
    """What people changed about limits, and which version of its file a campaign followed when, as the audit has it."""

    def __init__(self, session: Session, slug: str) -> None:
        columns: tuple[Any, ...] = (
            audit_entries.c.at, audit_entries.c.action, audit_entries.c.campaign, audit_entries.c.subject,
            audit_entries.c.detail,
        )  # fmt: skip
        query = sa.select(*columns).where(
            sa.or_(
                audit_entries.c.action == "throttle",
                sa.and_(audit_entries.c.action == "submit", audit_entries.c.campaign == slug),
            )
        )
        self._slug = slug
        self._entries: list[Any] = [*session.execute(query.order_by(audit_entries.c.id)), *_as_entries(session)]
        self._entries.sort(key=lambda entry: entry[0])
        self._bodies = {
            digest: json_of(body)
            for digest, body in session.execute(
                sa.select(definitions.c.content_hash, definitions.c.body)
                .join(campaigns, campaigns.c.id == definitions.c.campaign_id)
                .where(campaigns.c.slug == slug)
            )
        }

    def of_campaign(self, run: RunFacts, name: str) -> list[tuple[datetime, Any]]:
        """Return the values of `throughput.NAME` since when: of the file, replaced by what a person set."""
        written, by_hand = run.definition.get("throughput", {}).get(name), None
        found = list[tuple[datetime, Any]]()
        for at, action, _, subject, detail in self._entries:
            if action == "submit":
                body = self._bodies.get(str((detail or {}).get("definition")))
                written = written if body is None else body.get("throughput", {}).get(name)
            elif subject != f"campaign:{self._slug}":
                continue
            elif detail.get("cleared"):
                by_hand = None
            elif detail.get(name) is not None:
                by_hand = detail[name]
            found.append((at, written if by_hand is None else None if by_hand in LIFTED else by_hand))
        return found

    def of_scope(self, scope: str, name: str, usual: Any) -> list[tuple[datetime, Any]]:
        """Return the values of a limit of the account or a device, where people changed it; `usual`: the setting's."""
        found = list[tuple[datetime, Any]]()
        for at, action, _, subject, detail in self._entries:
            if action != "throttle" or subject != scope:
                continue
            if detail.get("cleared"):
                found.append((at, usual))
            elif detail.get(name) is not None:
                found.append((at, None if detail[name] in LIFTED else detail[name]))
        return found


def _as_entries(session: Session) -> Iterator[tuple[Any, ...]]:
    """Yield the limits that people set as the database has them: the last of each, whatever the audit has."""
    columns: tuple[Any, ...] = ceilings.c.set_at, ceilings.c.scope, ceilings.c.rate, ceilings.c.daily
    for at, scope, rate, daily in session.execute(sa.select(*columns).where(ceilings.c.source == "person")):
        yield at, "throttle", "", scope, {"rate": rate or None, "daily": daily}


class DeviceNames:
    """The device under whose limits a request falls: `primary` where none is named, `any` where the gateway chooses."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unnamed: dict[int, str] = {}

    def of(self, target: str, definition_id: int) -> str:
        if target:
            return "any" if "," in target else target
        if definition_id not in self._unnamed:
            query = sa.select(definitions.c.body).where(definitions.c.id == definition_id)
            devices = json_of(self._session.scalars(query).one()).get("devices") or {}
            is_open = devices.get("random") or devices.get("mode", "specified") != "specified"
            self._unnamed[definition_id] = "any" if is_open else "primary"
        return self._unnamed[definition_id]
