"""`campaigns resend`: failed texts are sent again, and followed to their end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from scheduler.actions import resending
from scheduler.actions.acting import Actor
from scheduler.exits import Exit
from scheduler.processes.progress import Progress
from scheduler.processes.run_to_end import Outcome, account_stop, bring_to_end, own_runs
from worker.settings.settings import Settings
from worker.store.runs import resends
from worker.store.runs.runs import RunView


@dataclass(frozen=True, slots=True)
class Resent:
    """How a resend ended. `run_id` None: there was nobody (left) to send to; `is_new`: it was made just now."""

    outcome: Outcome
    run_id: int | None
    is_new: bool = False


def resend(
    root: RunView,
    settings: Settings,
    actor: Actor,
    *,
    sandbox: tuple[str, SecretStr] | None,
    told: Callable[[str], None],
    shown: Callable[[Sequence[Progress]], None],
) -> Resent:
    """Send again what failed in a run, and follow it to its end; also continues what an earlier call began.

    The gateway is first asked about each of these messages. A running service sends the resend; otherwise this process
    does. Raises `GatewayError` if the gateway does not show them, `SettingsError` and `StoreError`.
    """
    with own_runs(settings, sandbox, beside_service=True) as own:
        runtime = own.runtime
        problem = account_stop(runtime)
        if problem:
            return Resent(Outcome(Exit.STOPPED, (), problem), None)
        made = resending.resend(runtime, actor, root)
        with runtime.store.read() as session:
            unfinished = resends.unfinished_resends(session, root.id)
        if not unfinished:
            return Resent(Outcome(Exit.DONE, ()), None)
        if made is None:
            told(f"run {unfinished[-1]} already sends again what failed of {root.campaign}; it continues")
        own.ids.update(unfinished)
        return Resent(bring_to_end(own, shown), made or unfinished[-1], made is not None)
