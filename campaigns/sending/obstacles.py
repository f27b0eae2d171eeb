"""What stops a text that has not been sent yet."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from campaigns.lifecycle import BatchState, RunState


class Obstacle(StrEnum):
    """The first thing that keeps a text from being sent."""

    PLAN = "plan"  # the plan of its run is being made
    START = "start"  # its run starts later
    APPROVAL = "approval"  # somebody has to approve the plan
    PAUSE = "pause"  # its run is paused
    END = "end"  # its run sends nothing more
    ACCOUNT = "account"  # the gateway account is paused
    DOUBTS = "doubts"  # many of the account's batches are looked up first
    WINDOW = "window"  # sending is not allowed now
    BATCH = "batch"  # others in its batch are being sent or looked up
    QUEUE = "queue"  # a worker has to pick up its batch
    MOMENT = "moment"  # its batch is put off, or its moment is still to come
    NOTHING = "nothing"  # its batch is due


@dataclass(frozen=True, slots=True)
class WaitingText:
    """What matters here about a text that has not been sent yet."""

    is_planned: bool
    run_state: RunState
    is_account_paused: bool
    has_many_doubts: bool
    is_window_open: bool
    batch_state: BatchState | None
    is_early: bool


IN_ORDER: Final[tuple[tuple[Obstacle, Callable[[WaitingText], bool]], ...]] = (
    (Obstacle.PLAN, lambda text: not text.is_planned),
    (Obstacle.START, lambda text: text.run_state is RunState.SCHEDULED),
    (Obstacle.APPROVAL, lambda text: text.run_state is RunState.AWAITING_APPROVAL),
    (Obstacle.PAUSE, lambda text: text.run_state is RunState.PAUSED),
    (Obstacle.END, lambda text: text.run_state is not RunState.RUNNING),
    (Obstacle.ACCOUNT, lambda text: text.is_account_paused),
    (Obstacle.DOUBTS, lambda text: text.has_many_doubts),
    (Obstacle.WINDOW, lambda text: not text.is_window_open),
    (Obstacle.BATCH, lambda text: text.batch_state in {BatchState.SENDING, BatchState.UNKNOWN}),
    (Obstacle.QUEUE, lambda text: text.batch_state is BatchState.QUEUED),
    (Obstacle.MOMENT, lambda text: text.is_early),
)
"""The obstacles in the order in which they are checked before a send."""


def first_obstacle(text: WaitingText) -> Obstacle:
    """Return the first obstacle."""
    return next((obstacle for obstacle, is_there in IN_ORDER if is_there(text)), Obstacle.NOTHING)
