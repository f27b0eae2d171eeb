"""Checks whether a paused account works again, with one balance call, which costs nothing."""

from datetime import datetime, timedelta
from typing import Final

from campaigns.lifecycle import RunState
from campaigns.sending.backoff import probe_after
from worker import metrics
from worker.gateway import GatewayError
from worker.gateway.results import Balance
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.runs import runs
from worker.store.sending import accounts, queue

TRIAL: Final = timedelta(minutes=10)
"""After this long without another failure a trouble is over, even if nothing was sent that would show it."""


def is_probe_due(runtime: Runtime, now: datetime) -> bool:
    """Return whether the account is to be checked."""
    with runtime.store.read() as session:
        next_at = accounts.account_view(session, runtime.account_id).next_probe_at
    return next_at is not None and next_at <= now


def probe(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Resume the account if the key is valid, there are credits and the gateway answers; else look again later.

    The trouble is over once a request was answered, because a gateway may report its balance and refuse every text.
    """
    with runtime.store.read() as session:
        account = accounts.account_view(session, runtime.account_id)
    is_due = account.next_probe_at is not None and account.next_probe_at <= now
    if account.is_on_trial and (account.failures == 0 or is_due or account.next_probe_at is None):
        with runtime.store.write("trouble_over") as session:
            accounts.end_trouble(session, account.id)
        get_logger().info("account.works_again", account=account.id, was=account.told[-1])
    if not account.is_paused or not is_due:
        return {"resumed": 0}
    problem = account_problem(runtime)
    now = runtime.clock.now()  # it may have been put back by hours while the gateway was asked
    with runtime.store.write("probe") as session:
        if problem:
            accounts.note_probe(session, account.id, now + probe_after(account.probes), reason=problem)
            return {"resumed": 0}
        resumed = accounts.resume_account(session, account.id)
        accounts.note_probe(session, account.id, now + TRIAL)
        # While the account was paused, workers discarded the jobs of its batches.
        queue.requeue_runs(session, [run.id for run in runs.list_runs(session, [RunState.RUNNING])])
    return {"resumed": int(resumed)}


def set_credits(balance: Balance) -> None:
    """Show what the account has left; nothing where it has no limit."""
    metrics.set_gauge(metrics.CREDITS, {} if balance.credits is None else {(): balance.credits})


def account_problem(runtime: Runtime) -> str:
    """Return why the account cannot send, in one sentence; empty if it can."""
    try:
        balance = runtime.gateway.balance()
    except GatewayError as error:
        return str(error)
    set_credits(balance)
    if balance.credits is not None and balance.credits <= 0:
        return "the gateway account has no credits left; buy more, then sending continues by itself"
    return ""
