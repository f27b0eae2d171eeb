"""`campaigns resend`: once more to everybody whose text failed, where it is proven that they did not get it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Final

from pydantic import SecretStr

from scheduler.exits import Exit
from scheduler.intake.planning import limits_of
from scheduler.processes.completing import Outcome, Progress, account_stop, bring_to_end, own_runs
from scheduler.receipts.storing import store_receipts
from worker.gateway import MessageStatus, ReplyTooLong
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.settings import Settings
from worker.store import receipts, resends, suppressions
from worker.store.runs import RunView

STORED_AT_ONCE: Final = 1_000
"""So many messages that were asked for are stored in one transaction."""


@dataclass(frozen=True, slots=True)
class Resent:
    """How a resend ended. `run_id` None: there was nobody (left) to send to; `is_new`: it was made just now."""

    outcome: Outcome
    run_id: int | None
    is_new: bool = False


def resend(
    root: RunView,
    settings: Settings,
    *,
    sandbox: tuple[str, SecretStr] | None,
    told: Callable[[str], None],
    shown: Callable[[Sequence[Progress]], None],
) -> Resent:
    """Send again what failed in a run, and follow it to its end; what an earlier call began goes on.

    The gateway is asked for each of these messages first. A service that runs sends it, else this process does.
    Raises `GatewayError` where the gateway does not show them, `SettingsError` and `StoreError`.
    """
    with own_runs(settings, sandbox, beside_service=True) as own:
        runtime = own.runtime
        problem = account_stop(runtime)
        if problem:
            return Resent(Outcome(Exit.STOPPED, (), problem), None)
        made = _create(runtime, root)
        with runtime.store.read() as session:
            unfinished = resends.unfinished_resends(session, root.id)
        if not unfinished:
            return Resent(Outcome(Exit.DONE, ()), None)
        if made is None:
            told(f"run {unfinished[-1]} sends again what failed of {root.campaign} already; it goes on")
        own.ids.update(unfinished)
        return Resent(bring_to_end(own, shown), made or unfinished[-1], made is not None)


def _create(runtime: Runtime, root: RunView) -> int | None:
    _ask_again(runtime, root)
    definition = runtime.definitions.get(root.definition_id)
    with runtime.store.write("resend") as session:
        run_id = resends.create_resend(
            session,
            root,
            account_id=runtime.account_id,
            limits=limits_of(definition, runtime.settings),
            suppressed=lambda numbers: suppressions.suppressed_among(session, numbers, definition.kind),
            now=runtime.clock.now(),
        )
    if run_id is not None:
        get_logger().info("run.resent", campaign=root.campaign, run=run_id, parent=root.id)
    return run_id


def _ask_again(runtime: Runtime, root: RunView) -> None:
    """Read every message that failed once more: the gateway may have tried again by itself meanwhile."""
    with runtime.store.read() as session:
        failed = resends.failed_messages(session, root.id)
    shown: list[Message] = []
    for group_id, members in groupby(failed, key=attrgetter("group_id")):
        wanted = {member.gateway_id: member.batch_id for member in members}
        found = {m.id: m for m in _of_group(runtime, group_id) if m.id in wanted}
        for gateway_id in wanted.keys() - found.keys():  # it left its group, or never had one
            if (message := runtime.gateway.read_message(gateway_id)) is not None:
                found[message.id] = message
        shown += found.values()
        back = {wanted[m.id] for m in found.values() if m.status is not MessageStatus.FAILED} - {None}
        if back:
            with runtime.store.write("resend_followed") as session:
                receipts.poll_again(session, [id_ for id_ in back if id_ is not None], at=runtime.clock.now())
        if len(shown) >= STORED_AT_ONCE:
            store_receipts(runtime, shown)
            shown = []
    store_receipts(runtime, shown)


def _of_group(runtime: Runtime, group_id: str | None) -> Sequence[Message]:
    """The messages of a group; none where the gateway does not heed it and shows too much: they are read by id."""
    try:
        return runtime.gateway.read_group(group_id) if group_id else ()
    except ReplyTooLong:
        return ()
