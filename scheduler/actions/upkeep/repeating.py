"""`calls repeat`: telling somebody again what did not reach them, or what they have lost."""

from campaigns.clock import Clock
from scheduler.actions.acting import Actor, acting, audited
from scheduler.actions.refusals import Refusal, Refused
from scheduler.notifications.delivery import CLAIM, tell_one
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.notifications.calls import LoggedCall, call_of, reopen


def repeat_call(store: Store, settings: Settings, actor: Actor, call_id: int, clock: Clock) -> LoggedCall:
    """Send the notice of a call again at once, with the same `webhook-id`; return the new call.

    If it fails, the notice is tried again as if it had failed for the first time, as long as it is younger than three
    days. Raises `Refused` for an unknown call.
    """
    now = clock.now()
    with acting(store, actor, "repeat_call", now=now) as session:
        call = call_of(session, call_id)
        notice = None if call is None else reopen(session, call.notice_id, until=now + CLAIM)
        if call is None or notice is None:
            command = "list them with: campaigns calls"
            raise Refused(Refusal.UNKNOWN_CALL, f"there is no call {call_id}", command=command)
        audited(session, run_id=notice.run_id, subject=call.target, call=call_id, event=call.event)
    made, _ = tell_one(store, settings, clock, notice, resting={})
    return made
