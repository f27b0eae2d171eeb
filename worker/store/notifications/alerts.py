"""Alerts that were raised, and those that were cleared again: the rows of one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.alerts.figures import AlertName
from worker.store.bulk import insert_missing
from worker.store.tables import alerts
from worker.store.transitions import changed

REHEARSAL: Final = "rehearsal"
"""The subjects of a rehearsal begin with this: on one database, it must not clear the service's alerts."""

MOST_RAISED: Final = 1_000
"""Far more than are ever raised at a time: of each condition, only a few."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert; `cleared_at` None: it is raised."""

    id: int
    name: AlertName
    subject: str
    raised_at: datetime
    cleared_at: datetime | None
    detail: dict[str, Any]

    @property
    def is_rehearsal(self) -> bool:
        """Return whether it concerns texts to the sandbox."""
        return self.subject.partition(" ")[0] == REHEARSAL

    @property
    def about(self) -> str:
        """The campaign, phone or target that it is about; empty for the installation."""
        return self.subject.removeprefix(REHEARSAL).lstrip() if self.is_rehearsal else self.subject


_FIELDS: Final = [alerts.c[name] for name in AlertRow.__dataclass_fields__]
_is_raised = alerts.c.cleared_at.is_(None)
_is_known = alerts.c.name.in_([name.value for name in AlertName])  # a later version may have had others


def _rows(session: Session, query: sa.Select[Any]) -> list[AlertRow]:
    return [AlertRow(id_, AlertName(name), *rest) for id_, name, *rest in session.connection().execute(query)]


_RAISED: Final = sa.select(*_FIELDS).where(_is_raised, _is_known).order_by(alerts.c.id).limit(MOST_RAISED)


def raised(session: Session) -> list[AlertRow]:
    """Return the alerts that are raised, the oldest first."""
    return _rows(session, _RAISED)


def cleared(session: Session, *, most: int) -> list[AlertRow]:
    """Return the alerts that were cleared, the last ones to be raised first."""
    query = sa.select(*_FIELDS).where(alerts.c.cleared_at.is_not(None), _is_known)
    return _rows(session, query.order_by(alerts.c.id.desc()).limit(most))


def raise_alert(
    session: Session, name: AlertName, about: str, detail: Mapping[str, Any], *, rehearsal: bool, now: datetime
) -> int | None:
    """Raise an alert and return its id; None: it is raised already."""
    subject = f"{REHEARSAL} {about}".rstrip() if rehearsal else about
    row = {"name": name.value, "subject": subject, "raised_at": now, "detail": dict(detail)}
    found: int | None = session.scalar(insert_missing(session, alerts).values(row).returning(alerts.c.id))
    return found


def correct_alert(session: Session, alert_id: int, detail: Mapping[str, Any]) -> None:
    """Give an alert that is raised other figures."""
    session.execute(sa.update(alerts).where(alerts.c.id == alert_id, _is_raised).values(detail=dict(detail)))


def clear_alert(session: Session, alert_id: int, *, now: datetime) -> bool:
    """Clear an alert. False: it was cleared already."""
    mine = sa.update(alerts).where(alerts.c.id == alert_id, _is_raised).values(cleared_at=now)
    return bool(changed(session, mine))


def old_alerts(session: Session, before: datetime, *, most: int) -> list[int]:
    """Return some of the alerts that were cleared before `before`, the oldest first."""
    query = sa.select(alerts.c.id).where(alerts.c.cleared_at < before).order_by(alerts.c.id)
    return list(session.scalars(query.limit(most)))


def forget_alerts(session: Session, ids: Sequence[int]) -> int:
    """Delete these alerts; return how many there were."""
    return changed(session, sa.delete(alerts).where(alerts.c.id.in_(ids), alerts.c.cleared_at.is_not(None)))
