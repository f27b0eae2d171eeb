"""The replies that a person has to read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from campaigns.phone_numbers.numbers import mask
from scheduler.actions.refusals import Refusal, Refused
from worker.store.engine import Store
from worker.store.people.reviews import count_waiting, waiting_reviews
from worker.store.people.stored_replies import Reply


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """A reply that may mean stop. `number` is in full if its sender is unknown or could not be identified."""

    id: int
    number: str
    received_at: datetime
    campaign: str | None
    is_of_nobody_known: bool
    text: str


def count_to_review(store: Store) -> int:
    """Return how many replies wait to be read."""
    with store.read() as session:
        return count_waiting(session)


def replies_to_review(store: Store | None, ids: Collection[int] | None = None) -> list[WaitingReply]:
    """Return the replies that wait to be read, or those with these ids. Raises `Refused` for one that does not wait."""
    return [_shown(answer) for answer in waiting_answers(store, ids)]


def waiting_answers(store: Store | None, ids: Collection[int] | None) -> list[Reply]:
    """Return the same replies as they are stored; `store` None: there are none."""
    waiting: list[Reply] = []
    if store is not None:
        with store.read() as session:
            waiting = waiting_reviews(session)
    chosen = [answer for answer in waiting if ids is None or answer.id in ids]
    if unknown := set(ids or ()) - {answer.id for answer in chosen}:
        sentence = f"no reply {min(unknown)} waits to be read; list those that do: campaigns suppress review"
        raise Refused(Refusal.UNKNOWN_REPLY, sentence)
    return chosen


def _shown(answer: Reply) -> WaitingReply:
    is_unknown = answer.is_of_nobody or answer.campaign is None
    number = answer.number if is_unknown else mask(answer.number)
    return WaitingReply(answer.id, number, answer.received_at, answer.campaign, is_unknown, answer.text)
