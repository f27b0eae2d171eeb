"""`resolve`: a person has found out whether held texts were sent."""

from dataclasses import dataclass
from datetime import datetime

from campaigns.phone_numbers.masking import mask
from campaigns.protocol.declarations import Declared
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.naming import run_to_decide_on
from scheduler.actions.refusals import Refusal, Refused
from worker.store.engine import Store
from worker.store.runs.held import Resolved, held_lists, held_people, resolve_held
from worker.store.runs.runs import run_view


@dataclass(frozen=True, slots=True)
class ToDecide:
    """The people that a decision is about: everybody of a run who is held, or one `number` (E.164)."""

    run_id: int
    people: int
    lists: int
    number: str | None


def to_decide(store: Store, campaign: str, run: int | None = None, *, number: str | None = None) -> ToDecide:
    """Return whom `resolve` would decide about now. Raises `Refused` if nobody is held."""
    with store.read() as session:
        run_id = run_to_decide_on(session, campaign, run).id
        people = len(held_people(session, run_id, number=number))
        # The numbers of a contact list are not known here: a decision about one number is not about the list.
        lists = len(held_lists(session, run_id)) if number is None else 0
    if not people and not lists:
        who = f"nobody in {campaign} is held" if number is None else f"this number of {campaign} is not held"
        raise Refused(Refusal.WRONG_STATE, f"{who}: there is nothing to resolve")
    return ToDecide(run_id, people, lists, number)


def resolve(
    store: Store, actor: Actor, about: ToDecide, declared: Declared, *, exactly: bool = False, now: datetime
) -> Resolved:
    """Carry out what a person found out: the texts were sent; or they were not, and are sent again.

    `exactly`: about as many people and lists as `about` says. Raises `Refused` if there are more or fewer by then.
    """
    subject = mask(about.number) if about.number else ""
    with acting(store, actor, "resolve", subject=subject, now=now) as session:
        run = run_view(session, about.run_id)
        audited(session, campaign=run.campaign, run_id=run.id, plan_hash=run.plan_hash, declared=declared)
        resolved = resolve_held(session, about.run_id, declared, number=about.number, by=actor.name, now=now)
        if exactly and (resolved.people, resolved.lists) != (about.people, about.lists):
            raise Refused(Refusal.OTHER_PLAN, "what is held has changed since you looked: nothing was done; look again")
        audited(session, people=resolved.people, lists=resolved.lists)
        if not (resolved.people or resolved.lists or resolved.cancelled):
            nothing_done(session)
        return resolved
