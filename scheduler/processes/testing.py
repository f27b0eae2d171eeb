"""`campaigns test`: one real text, sent and followed to its end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import SecretStr

from campaigns.definition import Definition
from campaigns.lifecycle import RecipientState
from scheduler.actions.acting import Actor
from scheduler.actions.texts.test_message import Sample, give_up_test, plan_test, refuse_opted_out
from scheduler.exits import Exit
from scheduler.processes.progress import Progress
from scheduler.processes.run_to_end import UNHAPPY, Outcome, account_stop, bring_to_end, own_runs
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.reports import counts


@dataclass(frozen=True, slots=True)
class Tested:
    """How a test ended: its run, and what became of its one recipient; None if nothing could be sent."""

    outcome: Outcome
    run_id: int | None = None
    state: RecipientState | None = None
    reason: str = ""


def send_sample(
    definition: Definition,
    sample: Sample,
    to: str,
    settings: Settings,
    actor: Actor,
    *,
    source: str,
    sandbox: tuple[str, SecretStr] | None,
    shown: Callable[[Sequence[Progress]], None],
) -> Tested:
    """Send the text to this number (E.164) and wait for its outcome. `source` is the name of the file.

    A running service sends it; otherwise this process does. Raises `Refused` for a number that has opted out,
    `SettingsError` and `StoreError`.
    """
    with own_runs(settings, sandbox, beside_service=True) as own:
        runtime = own.runtime
        refuse_opted_out(runtime, to, definition)  # before the account is checked for trouble
        problem = account_stop(runtime)
        if problem:
            return Tested(Outcome(Exit.STOPPED, (), problem))
        test = plan_test(runtime, actor, definition, sample, to, source=source)
        own.ids.update([test.run_id, *test.earlier])
        outcome = bring_to_end(own, shown)
        give_up_test(runtime, actor, test.run_id)
        return _tested(runtime, outcome, test.run_id)


def _tested(runtime: Runtime, outcome: Outcome, run_id: int) -> Tested:
    with runtime.store.read() as session:
        state, reason = counts.only_recipient(session, run_id)
    if outcome.exit_code is Exit.UNHAPPY and state not in UNHAPPY:
        outcome = replace(outcome, exit_code=Exit.DONE)  # it was an earlier test that failed
    return Tested(outcome, run_id, state, reason)
