"""Texts that missed their moment: people are skipped, or held for a person, as the campaign's `if_late` says."""

from datetime import datetime
from typing import Final

from campaigns.codes import RunType
from campaigns.definition.schedule import Otherwise
from campaigns.lifecycle import RecipientState
from campaigns.values.durations import format_duration
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.notifications.outbox import announce_held
from worker.store.runs import missed as store

WITHOUT_LATE: Final = {RunType.MESSAGE: "its moment was missed: it could not be sent while it was valid"}
"""Why a text without `if_late` is late; any other is a reminder."""


def is_any_late(runtime: Runtime, now: datetime) -> bool:
    """Return whether `late` would find a text that missed its moment."""
    with runtime.store.read() as session:
        return bool(store.late_runs(session, runtime.account_id, now))


def late(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Stop sending what could not be sent in time."""
    with runtime.store.read() as session:
        found = store.late_runs(session, runtime.account_id, now)
    missed = 0
    for run_id, definition_id, type in found:
        if not runtime.includes(run_id):
            continue
        definition = runtime.definitions.get(definition_id)
        if_late = definition.schedule.if_late
        to = RecipientState.HELD if if_late and if_late.otherwise is Otherwise.HOLD else RecipientState.SKIPPED
        reason = WITHOUT_LATE.get(type, "its moment was missed: the date itself came before it could be sent")
        if if_late is not None:
            reason = f"its moment was missed: it could not be sent within {format_duration(if_late.within)}"
        with runtime.store.write("late") as session:
            people = store.expire_late(session, run_id, to, reason=reason, now=now)
            if people and to is RecipientState.HELD:
                announce_held(session, run_id, now=now)
        get_logger().warning("run.late", run=run_id, people=people, state=to.value)
        metrics.count(metrics.MOMENTS_MISSED, amount=people)
        if to is RecipientState.HELD:
            metrics.count_texts(definition.kind, to, None, people)
        missed += people
    return {"missed": missed}
