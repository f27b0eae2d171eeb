"""`resend`: send again to those whose text failed, if it is proven that they did not get it, or who did not reply."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, ClassVar, Literal

from sqlalchemy import ColumnElement
from sqlmodel import Session

from campaigns.protocol.bulk_actions import Cause, ResendOnly
from scheduler.actions.acting import Actor, acting, audited, nothing_done
from scheduler.actions.naming import latest_run
from scheduler.actions.refusals import Refusal, Refused
from scheduler.receipts.storing import store_receipts
from worker.gateway import MessageStatus, ReplyTooLong
from worker.gateway.results import Message
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.following import receipts
from worker.store.locks import lock_run
from worker.store.people import suppressions
from worker.store.runs import resends
from worker.store.runs.resends import FailedMessage, Failure
from worker.store.runs.runs import RunView, find_campaign_run, run_view
from worker.store.steps import no_reply


@dataclass(frozen=True, slots=True)
class FailedTexts:
    """The failed texts of a run (`root`), by reason; `goes_on`: a resend of them is under way."""

    root: RunView
    failures: tuple[Failure, ...]
    goes_on: bool
    only: ClassVar[Literal[ResendOnly.FAILED]] = ResendOnly.FAILED

    @property
    def people(self) -> int:
        """How many people can be sent to again: it is proven that they got nothing."""
        return sum(failure.people for failure in self.failures if failure.is_proven)


def failed_texts(store: Store, campaign: str, number: int | None = None, *, rehearsal: bool = False) -> FailedTexts:
    """Return what failed in the latest run of a campaign, or the one with this number. Raises `Refused`."""
    with store.read() as session:
        root = _root(session, campaign, number, rehearsal=rehearsal)
        goes_on = bool(resends.unfinished_resends(session, root.id))
        return FailedTexts(root, tuple(resends.failures(session, root.id)), goes_on)


def _root(session: Session, slug: str, number: int | None, *, rehearsal: bool) -> RunView:
    """Return the run whose failed texts are meant: for a resend, the run that it resent."""
    run = latest_run(session, slug, number)
    if number is None and run.rehearsal != rehearsal:
        run = find_campaign_run(session, slug, rehearsal=rehearsal) or run
    if run.rehearsal != rehearsal:
        kind, advice = ("a rehearsal", "add --sandbox") if run.rehearsal else ("no rehearsal", "leave --sandbox out")
        raise Refused(Refusal.WRONG_STATE, f"run {run.id} of {slug} was {kind}: {advice}")
    return run if run.parent_id is None else run_view(session, run.parent_id)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Who of those who have the text of a run (`root`) get it once more, and how many do not and why; `goes_on`: a run
    that sends it to them is under way."""

    root: RunView
    people: int
    left_out: Mapping[Cause, int]
    goes_on: bool
    only: ClassVar[Literal[ResendOnly.NO_REPLY]] = ResendOnly.NO_REPLY


def unanswered(store: Store, campaign: str, number: int | None = None, *, rehearsal: bool = False) -> Unanswered:
    """Return who did not reply to the latest run of a campaign, or the one with this number.

    Raises `Refused`, also while the run still sends: somebody may have had its text for a second.
    """
    with store.read() as session:
        root = _root(session, campaign, number, rehearsal=rehearsal)
        root = root if root.root_id is None else run_view(session, root.root_id)  # of a step, the whole is meant
        if root.sent_at is None:
            raise Refused(Refusal.WRONG_STATE, f"{campaign} still sends: wait until everybody has its text")
        found = no_reply.count_no_reply(session, root)
        people = found.pop(Cause.DONE)
        return Unanswered(root, people, found, bool(no_reply.unfinished(session, root.id)))


def resend_unanswered(runtime: Runtime, actor: Actor, root: RunView) -> int | None:
    """Send the text of a run again to those who have it, did not reply and have no later one; return the new run.

    None: nobody is left, or another run does it already.
    """
    now = runtime.clock.now()
    with acting(runtime.store, actor, "resend", campaign=root.campaign, transaction="no_reply", now=now) as session:
        run_id = no_reply.create_no_reply(session, root, account_id=runtime.account_id, now=now)
        if run_id is None:
            nothing_done(session)
        audited(session, run_id=run_id, plan_hash=root.plan_hash, root=root.id, only=ResendOnly.NO_REPLY)
    if run_id is not None:
        get_logger().info("run.resent", campaign=root.campaign, run=run_id, root=root.id, only=ResendOnly.NO_REPLY)
    return run_id


def to_resend(
    store: Store, campaign: str, only: ResendOnly, number: int | None = None, *, rehearsal: bool = False
) -> FailedTexts | Unanswered:
    """Return who would be sent to again, and who would not. Raises `Refused`."""
    find = failed_texts if only is ResendOnly.FAILED else unanswered
    return find(store, campaign, number, rehearsal=rehearsal)


def resend(runtime: Runtime, actor: Actor, root: RunView) -> int | None:
    """Resend the failed texts of a run; return the new run. None: nobody is left, or another run does it already.

    The gateway is first asked about each of these messages. Raises `GatewayError` if it does not show them.
    """
    ask_again(runtime, root)
    return resend_failed(runtime, actor, root)


def resend_failed(
    runtime: Runtime,
    actor: Actor,
    root: RunView,
    only: Sequence[ColumnElement[bool]] = (),
    *,
    confirmed: Callable[[Session], Mapping[str, Any]] | None = None,
) -> int | None:
    """Like `resend`, for a run about whose texts the gateway has just been asked: in one transaction.

    `only`: conditions that rows meet. `confirmed` is called with the run locked, raises if it must not be done, and
    returns what the audit says besides.
    """
    definition = runtime.definitions.get(root.definition_id)
    now = runtime.clock.now()
    with acting(runtime.store, actor, "resend", campaign=root.campaign, now=now) as session:
        lock_run(session, root.id)
        facts = confirmed(session) if confirmed else {}
        run_id = resends.create_resend(
            session,
            root,
            account_id=runtime.account_id,
            limits=limits_of(definition, runtime.settings).request,
            suppressed=lambda numbers: suppressions.suppressed_among(session, numbers, definition.kind),
            only=only,
            now=now,
        )
        if run_id is None:
            nothing_done(session)
        audited(session, run_id=run_id, plan_hash=root.plan_hash, parent=root.id, **facts)
    if run_id is not None:
        get_logger().info("run.resent", campaign=root.campaign, run=run_id, parent=root.id)
    return run_id


def ask_again(runtime: Runtime, root: RunView, only: Sequence[ColumnElement[bool]] = ()) -> None:
    """Read every failed message (that meets the conditions) once more: the gateway may have tried again by itself.

    Some at a time: a group that goes on in the next part is read again then.
    """
    after = 0
    while True:
        with runtime.store.read() as session:
            failed = resends.failed_messages(session, root.id, only, after=after)
        if not failed:
            return
        after = failed[-1].row_id
        _ask_about(runtime, failed)


def _ask_about(runtime: Runtime, failed: Sequence[FailedMessage]) -> None:
    shown: list[Message] = []
    for group_id, members in groupby(sorted(failed, key=attrgetter("group_id")), key=attrgetter("group_id")):
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
    store_receipts(runtime, shown)


def _of_group(runtime: Runtime, group_id: str | None) -> Sequence[Message]:
    """Return the messages of a group; none if the gateway ignores the group and shows too much: they are read by id."""
    try:
        return runtime.gateway.read_group(group_id) if group_id else ()
    except ReplyTooLong:
        return ()
