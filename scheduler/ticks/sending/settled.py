"""Requests in doubt: which messages can be theirs, and what is counted once they are decided."""

from collections.abc import Callable
from typing import Final

from campaigns.lifecycle import RecipientState
from campaigns.message.segments import segmentation
from campaigns.protocol.decisions import Decision, SendAgain
from campaigns.protocol.matching import Candidate, Match, Sought, is_similar, match
from scheduler.ticks.lookups.reads import LookResult, by_number
from worker import metrics
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store.money import charges
from worker.store.sending.doubts import Doubt

ACCEPTED: Final = "accepted"  # the gateway has everybody
MISSED: Final = "missed"  # some or all were not stored, and are sent to again
FAILED: Final = "failed"  # some were refused for good
HELD: Final = "held"  # a person decides about some or all


def is_sought_by(runtime: Runtime, doubt: Doubt, sought: Sought) -> Callable[[Message], bool]:
    """Return which messages can be the request's: by their number, or for a contact list by their text."""
    if doubt.list_id is not None:
        text = runtime.definitions.get(doubt.definition_id).message
        return lambda message: is_similar(message.text, text)
    return by_number(sought.recipients)


def match_to(runtime: Runtime, doubt: Doubt, sought: Sought, seen: LookResult, attributed: set[int]) -> Match:
    """Return which of the messages that were seen are the request's."""
    candidates = [Candidate(m.id, m.number, m.text, m.group_id) for m in seen.messages.values()]
    if doubt.list_id is None:
        return match(sought, candidates, attributed=attributed, is_whole=seen.complete)
    text = runtime.definitions.get(doubt.definition_id).message
    free = (c for c in candidates if c.gateway_id > doubt.id_floor and c.gateway_id not in attributed)
    return Match({c.gateway_id: c for c in free if is_similar(c.text, text)})


def count_settled(runtime: Runtime, doubt: Doubt, sought: Sought, decision: Decision, seen: LookResult) -> None:
    """Count a decided request, and what it says about its texts. Call it after the commit."""
    if not metrics.is_on():
        return
    definition = runtime.definitions.get(doubt.definition_id)
    texts = dict(sought.recipients.values())
    lengths = ((id_, segmentation(texts.get(id_, definition.message)).segments) for id_ in decision.place)
    metrics.count(metrics.SETTLED, _settled_as(doubt, decision))
    prices = runtime.prices.current()
    if prices is not None:
        with runtime.store.read() as session:
            metrics.count_spent(prices.currency, charges.by_device(session, doubt.attempt_id))
    metrics.count_accepted(
        definition.kind, [(seen.messages[decision.place[id_].gateway_id].device, length) for id_, length in lengths]
    )
    metrics.count_texts(definition.kind, RecipientState.FAILED, None, len(decision.fail))
    metrics.count_texts(definition.kind, RecipientState.HELD, None, len(decision.hold))


def _settled_as(doubt: Doubt, decision: Decision) -> str:
    is_held_list = doubt.list_id is not None and not decision.place and decision.retry is SendAgain.AT_ONCE
    if decision.hold or is_held_list:
        return HELD
    if decision.fail:
        return FAILED
    if decision.release or (doubt.list_id is not None and not decision.place):
        return MISSED
    return ACCEPTED
