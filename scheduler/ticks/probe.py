"""Looking whether a paused account works again: one balance call, which costs nothing."""

from datetime import datetime, timedelta
from typing import Final

from campaigns.lifecycle import RunState
from worker.gateway import GatewayError
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import accounts, queue, runs

PROBE_EVERY: Final = timedelta(seconds=60)


def probe(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Resume the account when the key is good, credits are there and the gateway answers; else look again later."""
    with runtime.store.read() as session:
        account = accounts.account_view(session, runtime.account_id)
    if not account.paused_reason or account.next_probe_at is None or account.next_probe_at > now:
        return {"resumed": 0}
    problem = account_problem(runtime)
    with runtime.store.write("probe") as session:
        if problem:
            accounts.postpone_probe(session, account.id, now + PROBE_EVERY)
            return {"resumed": 0}
        resumed = accounts.resume_account(session, account.id)
        # While it was paused, workers threw the jobs of its batches away.
        queue.requeue_runs(session, [run.id for run in runs.list_runs(session, [RunState.RUNNING])])
    get_logger().info("account.resumed", was=account.paused_reason)
    return {"resumed": int(resumed)}


def account_problem(runtime: Runtime) -> str:
    """Why the account cannot send, in one sentence; empty if it can."""
    try:
        balance = runtime.gateway.balance()
    except GatewayError as error:
        return str(error)
    if balance.credits is not None and balance.credits <= 0:
        return "the gateway account has no credits left; buy credits, then sending goes on by itself"
    return ""
