"""`campaigns resend`: texts are sent again, and followed to their end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from campaigns.protocol.bulk_actions import ResendOnly
from scheduler.actions import resending
from scheduler.actions.acting import Actor
from scheduler.actions.resending import FailedTexts, Unanswered
from scheduler.exits import Exit
from scheduler.processes.progress import Progress
from scheduler.processes.run_to_end import Outcome, account_stop, bring_to_end, own_runs
from worker.settings.settings import Settings
from worker.store.runs import resends
from worker.store.steps import no_reply


@dataclass(frozen=True, slots=True)
class Resent:
    """How a resend ended. `run_id` None: there was nobody (left) to send to; `is_new`: it was made just now."""

    outcome: Outcome
    run_id: int | None
    is_new: bool = False


def resend(
    found: FailedTexts | Unanswered,
    settings: Settings,
    actor: Actor,
    *,
    sandbox: tuple[str, SecretStr] | None,
    told: Callable[[str], None],
    shown: Callable[[Sequence[Progress]], None],
) -> Resent:
    """Send again what failed in a run, or what was not answered, and follow it to its end.

    Also continues what an earlier call began.

    The gateway is first asked about each message that failed. A running service sends the resend; otherwise this
    process does. Raises `GatewayError` if the gateway does not show them, `SettingsError` and `StoreError`.
    """
    with own_runs(settings, sandbox, beside_service=True) as own:
        runtime = own.runtime
        problem = account_stop(runtime)
        if problem:
            return Resent(Outcome(Exit.STOPPED, (), problem), None)
        is_failed, root = found.only is ResendOnly.FAILED, found.root
        made = (resending.resend if is_failed else resending.resend_unanswered)(runtime, actor, root)
        with runtime.store.read() as session:
            unfinished = (resends.unfinished_resends if is_failed else no_reply.unfinished)(session, root.id)
        if not unfinished:
            return Resent(Outcome(Exit.DONE, ()), None)
        if made is None:
            what = "what failed of" if is_failed else "what was not answered of"
            told(f"run {unfinished[-1]} already sends again {what} {root.campaign}; it continues")
        own.ids.update(unfinished)
        return Resent(bring_to_end(own, shown), made or unfinished[-1], made is not None)
