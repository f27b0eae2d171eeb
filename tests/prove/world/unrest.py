"""What goes wrong while the product is tried: which faults of the gateway, how often, for how long."""

from collections.abc import Collection
from typing import Final

from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.case import FaultTimes
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.faults.table import FAULTS, faults_of

LYING_READS: Final = frozenset({"lies_empty", "rows_missing"})
"""Reads that succeed and hide messages: the one thing that the promise to users assumes does not happen."""

ASKS_A_PERSON: Final = frozenset({"refused_sim", "refused_device"})
"""The run pauses until somebody has corrected `devices.use`, which is right here."""

STOPS_THE_ACCOUNT: Final = frozenset(
    {
        "http_401", "http_403", "http_404", "redirect_301", "redirect_302", "redirect_307", "refused_key",
        "refused_subscription", "refused_credits", "partly_credits_gone",
    }
)  # fmt: skip
"""The account is paused and probed after a minute: a service would spend its time waiting."""

TIMES: Final = FaultTimes(
    late_max_seconds=1.0, slow_seconds=5.0, lag_seconds=0.5, hold_seconds=5.0, drip_seconds=0.2, retry_after_seconds=1
)
"""Within the assumptions of the protocol for a `send_by` of 2 s and a `settle` of 3 s: whatever arrives at all is shown
within 2 + 1 + 0.5 s of its intent. What is never answered outlasts `send_by` and its grace."""

QUIET: Final = FaultPlan()


def unrest(
    share: float,
    seed: int,
    *,
    reads: float | None = None,
    without: Collection[str] = (),
    rare: Collection[str] = (),
) -> FaultPlan:
    """Every fault that the promise covers, at this share (0..1) of sends, half of it of reads, a quarter of others.

    `reads` is their share instead, for trials in which many of them fail, what is in doubt stays so for long, and few
    requests are made. Those in `rare` come a tenth as often as the others.
    """
    reads = share / 2 if reads is None else reads
    left_out = LYING_READS | ASKS_A_PERSON | set(without)

    def rule(kind: RequestKind, rate: float) -> FaultRule:
        weights = {name: 0.1 if name in rare else 1.0 for name in faults_of(kind, FAULTS) if name not in left_out}
        return FaultRule((kind,), rate, weights)

    rules = (
        rule(RequestKind.SEND, share), rule(RequestKind.READ, reads), rule(RequestKind.CONNECT, reads / 2),
    )  # fmt: skip
    return FaultPlan(seed, rules, TIMES)


def only(share: float, seed: int, *names: str, times: FaultTimes = TIMES) -> FaultPlan:
    """These faults alone, for this share of all sends."""
    return FaultPlan(seed, (FaultRule((RequestKind.SEND,), share, dict.fromkeys(names, 1.0)),), times)
