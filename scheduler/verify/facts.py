"""What is judged: the runs of a campaign, as they are stored, and the rules of the installation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState, RunState
from scheduler.verify.arithmetic.limits import Speed
from worker.store.events import EventName
from worker.store.tables import accounts, campaigns, definitions, events, runs

P: Final = RecipientState

AT_THE_GATEWAY: Final = frozenset({P.ACCEPTED, P.SENT, P.DELIVERED, P.EXPIRED})
"""States that say that the gateway has the text."""

LEFT_OUT: Final = frozenset({P.INVALID, P.DUPLICATE, P.EXCLUDED, P.HOLDOUT, P.SUPPRESSED, P.CAPPED, P.SKIPPED})
"""States that say that no text was sent."""

LEFT_OUT_BY_PLAN: Final = frozenset({P.INVALID, P.DUPLICATE, P.HOLDOUT})

NOT_SENT: Final = "not_sent"
"""The outcome of a request that is proven not to have reached the gateway."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the installation, as the settings have them today; None: there is none.

    `hours` is a window as in a definition. `cap`: texts, and seconds. Budgets of money are in millionths. `zone`: whose
    days and months count for all campaigns together. `prices`: whether texts are charged.
    """

    zone: str = "UTC"
    account_rate: Speed | None = None
    account_daily: int | None = None
    account_monthly: int | None = None
    device_rate: Speed | None = None
    device_daily: int | None = None
    device_monthly: int | None = None
    people_monthly: int | None = None
    money_daily: int | None = None
    money_monthly: int | None = None
    hours: Any = None
    cap: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run and its definition, as JSON."""

    id: int
    campaign_id: int
    account_id: int
    type: RunType
    kind: str
    parent_id: int | None
    root_id: int | None
    previous_id: int | None
    unless: str | None
    only_if: str | None
    moment: str
    state: RunState
    created_at: datetime
    planned_at: datetime | None
    sent_at: datetime | None
    finished_at: datetime | None
    approved_at: datetime | None
    people_erased_at: datetime | None
    summary: Mapping[str, Any]
    slug: str
    definition: Mapping[str, Any] = field(repr=False)

    @property
    def schedule(self) -> Mapping[str, Any]:
        return self.definition.get("schedule") or {}

    @property
    def zone(self) -> str:
        """The zone of the campaign's clocks."""
        return str(self.schedule.get("timezone") or "UTC")

    @property
    def has_list(self) -> bool:
        """Whether it went to a contact list, whose people only the gateway knows."""
        return any("contact_list" in source for source in self.definition.get("audience") or ())


def facts_of(session: Session, run_ids: Sequence[int]) -> list[RunFacts]:
    """Return these runs, in order."""
    columns: tuple[Any, ...] = (
        runs.c.id, runs.c.campaign_id, runs.c.account_id, runs.c.type, runs.c.kind, runs.c.parent_id, runs.c.root_id,
        runs.c.previous_id, runs.c.unless, runs.c.only_if, runs.c.moment, runs.c.state,
        runs.c.created_at, runs.c.planned_at, runs.c.sent_at, runs.c.finished_at, runs.c.approved_at,
        runs.c.people_erased_at, runs.c.plan_summary.label("summary"), campaigns.c.slug,
        definitions.c.body.label("definition"),
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .join(definitions, definitions.c.id == runs.c.definition_id)
        .where(runs.c.id.in_(run_ids))
    )
    rows: Sequence[Any] = session.execute(query.order_by(runs.c.id)).all()
    return [RunFacts(**{**row._mapping, "definition": json_of(row.definition)}) for row in rows]


def runs_of(session: Session, campaign_id: int) -> list[int]:
    """Return all runs of a campaign, the oldest first."""
    return list(session.scalars(sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)))


def chain_of(session: Session, run_id: int) -> list[int]:
    """Return a run, its steps, and those that sent texts of them again."""
    mine = sa.or_(runs.c.id == run_id, runs.c.parent_id == run_id, runs.c.root_id == run_id)
    return list(session.scalars(sa.select(runs.c.id).where(mine).order_by(runs.c.id)))


def account_key(session: Session, account_id: int) -> str:
    """Return what identifies the gateway of an account."""
    return str(session.scalars(sa.select(accounts.c.key).where(accounts.c.id == account_id)).one())


@dataclass(frozen=True, slots=True)
class Declarations:
    """What is sent without a request, or without a message that is known. These are few.

    `sent`: rows that a person declared sent. `before`: batches in which people count as sent by an earlier message.
    """

    sent: frozenset[int]
    before: frozenset[int]


def declarations(session: Session, run_id: int) -> Declarations:
    """Return what was declared about a run."""
    sent, before = set[int](), set[int]()
    names = (EventName.HELD_RESOLVED, EventName.RUN_ACCEPTED_BEFORE)
    columns: tuple[Any, ...] = (events.c.name, events.c.batch_id, events.c.detail)
    for name, batch_id, detail in session.execute(
        sa.select(*columns).where(events.c.run_id == run_id, events.c.name.in_(names))
    ):
        if name == EventName.RUN_ACCEPTED_BEFORE:
            before.add(batch_id)
        elif detail.get("as") == "sent":
            sent.update(detail.get("recipients") or ())
    return Declarations(frozenset(sent), frozenset(before))


def json_of(text: str) -> Mapping[str, Any]:
    """Return a stored definition; nothing if it is none."""
    found = json.loads(text)
    return found if isinstance(found, dict) else {}
