"""How far a run is: what `run` shows while it works, and decides by."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session

from campaigns.codes import SINGLE_TEXTS
from scheduler.intake.approving import awaited
from worker.runtime import Runtime
from worker.store.reports import counts
from worker.store.reports.counts import Books
from worker.store.reports.variants import GroupOutcome, group_outcomes
from worker.store.runs import runs
from worker.store.runs.runs import RunView
from worker.store.sending import accounts, doubts
from worker.store.sending.accounts import AccountView
from worker.store.sending.doubts import Unread


@dataclass(frozen=True, slots=True)
class Progress:
    """One run at one moment. `account_reason` is why its account is paused; empty if it is not.

    `groups` are its variants and its control group, and `whole` are its books with its steps (`counts.whole_books`):
    both are counted only at the end. `awaits`: the hash to approve first. `unread`: a request in doubt about which the
    gateway could not be asked.
    """

    run: RunView
    books: Books
    in_flight: int
    account_reason: str
    groups: tuple[GroupOutcome, ...] = ()
    awaits: str = ""
    unread: Unread | None = None
    whole: Books | None = None


def look(runtime: Runtime, ids: Collection[int]) -> tuple[Progress, ...]:
    """Return how far these runs are, without days of single texts, which nobody waits for."""
    with runtime.store.read() as session:
        account = accounts.account_view(session, runtime.account_id)
        views = [runs.run_view(session, run_id) for run_id in sorted(ids)]
        return tuple(_progress(runtime, session, run, account) for run in views if run.type not in SINGLE_TEXTS)


def counted(runtime: Runtime, progress: Sequence[Progress]) -> tuple[Progress, ...]:
    """Return it with what is counted only at the end."""
    with runtime.store.read() as session:
        return tuple(
            replace(p, groups=group_outcomes(session, p.run), whole=counts.whole_books(session, p.run.id))
            for p in progress
        )


def _progress(runtime: Runtime, session: Session, run: RunView, account: AccountView) -> Progress:
    in_flight = doubts.batches_in_doubt(session, [run.id])
    return Progress(
        run,
        counts.books(session, run.id),
        in_flight,
        account.paused_reason,
        awaits=awaited(run, runtime.definitions.get(run.definition_id)),
        unread=doubts.unread(session, run.id) if in_flight else None,
    )
