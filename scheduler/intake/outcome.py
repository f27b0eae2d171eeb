"""The outcome of accepting a campaign file."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from campaigns.access import Actor, ActorKind
from campaigns.definition import Definition
from campaigns.planning.approval import to_approve
from campaigns.take_up import EditCode, Refuse, Taken, TakeUp
from worker.store import audit
from worker.store.access import quotas
from worker.store.runs.repetitions import first_unfinished


class EditRefused(Exception):
    """The file is not accepted; `code` gives the reason to programs, the message to people."""

    def __init__(self, refusal: Refuse) -> None:
        super().__init__(refusal.sentence)
        self.code: EditCode = refusal.code


def accepted(decision: TakeUp | Refuse) -> TakeUp:
    """Return the decision. Raises `EditRefused` if it is a refusal."""
    if isinstance(decision, Refuse):
        raise EditRefused(decision)
    return decision


class QuotaSpent(Exception):
    """A token would send to more people today than it may; nothing of this was planned."""


def count_people(session: Session, by: Actor, people: int | None, *, now: datetime) -> None:
    """Count planned recipients against the quota of a token. Raises `QuotaSpent`.

    `people`: None if they are not known before they are sent to: those of a contact list at the gateway. A token with a
    quota may not submit such a campaign. A new plan counts again, because a faulty program submits again and again.
    """
    if by.kind is not ActorKind.TOKEN:
        return
    if people is None:
        if quotas.has_quota(session, by.name):
            raise QuotaSpent(f"the token {by.name} has a quota, and nobody knows how many people a contact list has")
    elif not quotas.take(session, by.name, people, now=now):
        sentence = (
            f"the token {by.name} may not send to {people:,} more people today; its quota starts again at 00:00 UTC"
        )
        raise QuotaSpent(sentence)


def has_quota(session: Session, by: Actor) -> bool:
    """Return whether this is a token that may send to a limited number of people a day."""
    return by.kind is ActorKind.TOKEN and quotas.has_quota(session, by.name)


def note_submitted(
    session: Session,
    by: Actor,
    definition: Definition,
    run_id: int | None,
    taken: Taken,
    *,
    plan_hash: str,
    source: str,
    now: datetime,
) -> None:
    """Write to the audit who submitted this version of a file, with the hash to approve; "": it has no plan."""
    audit.append(
        session,
        by,
        audit.SUBMIT,
        now=now,
        campaign=definition.campaign,
        run_id=run_id,
        plan_hash=to_approve(definition, plan_hash),
        subject=source,
        detail={"taken": taken, audit.DEFINITION: definition.content_hash},
    )


def run_of(session: Session, campaign_id: int, otherwise: Refuse) -> int:
    """Return the run that the campaign's file stands for. Raises `EditRefused` if it has none."""
    run_id = first_unfinished(session, campaign_id)
    if run_id is None:
        raise EditRefused(otherwise)
    return run_id


@dataclass(frozen=True, slots=True)
class Intake:
    """A run, and how it was found."""

    run_id: int
    taken: Taken
    added: int = 0  # rows that are new in its tables
    in_doubt: int = 0  # void reminders in a request whose outcome is not known yet
