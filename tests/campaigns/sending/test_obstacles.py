"""Which of several obstacles is named."""

from dataclasses import replace
from typing import Any

import pytest

from campaigns.lifecycle import BatchState, RunState
from campaigns.sending.obstacles import IN_ORDER, Obstacle, WaitingText, first_obstacle

DUE = WaitingText(
    is_planned=True,
    run_state=RunState.RUNNING,
    is_account_paused=False,
    has_many_doubts=False,
    is_window_open=True,
    batch_state=BatchState.PLANNED,
    is_early=False,
)
ALONE: list[tuple[Obstacle, dict[str, Any]]] = [
    (Obstacle.PLAN, {"is_planned": False}),
    (Obstacle.START, {"run_state": RunState.SCHEDULED}),
    (Obstacle.APPROVAL, {"run_state": RunState.AWAITING_APPROVAL}),
    (Obstacle.PAUSE, {"run_state": RunState.PAUSED}),
    (Obstacle.END, {"run_state": RunState.SETTLING}),
    (Obstacle.END, {"run_state": RunState.CANCELLED}),
    (Obstacle.ACCOUNT, {"is_account_paused": True}),
    (Obstacle.DOUBTS, {"has_many_doubts": True}),
    (Obstacle.WINDOW, {"is_window_open": False}),
    (Obstacle.BATCH, {"batch_state": BatchState.SENDING}),
    (Obstacle.BATCH, {"batch_state": BatchState.UNKNOWN}),
    (Obstacle.QUEUE, {"batch_state": BatchState.QUEUED}),
    (Obstacle.MOMENT, {"is_early": True}),
    (Obstacle.NOTHING, {}),
    (Obstacle.NOTHING, {"batch_state": None}),
]


@pytest.mark.parametrize(("obstacle", "facts"), ALONE)
def test_an_obstacle_is_named(obstacle: Obstacle, facts: dict[str, Any]) -> None:
    assert first_obstacle(replace(DUE, **facts)) is obstacle


def test_of_several_the_one_that_is_checked_first_is_named() -> None:
    order = [*(obstacle for obstacle, _ in IN_ORDER), Obstacle.NOTHING]
    for place, (first, facts) in enumerate(ALONE):
        for second, others in ALONE[place:]:
            both = replace(DUE, **(others | facts))
            assert first_obstacle(both) is min(first, second, key=order.index)


def test_every_obstacle_has_its_place() -> None:
    assert [obstacle for obstacle, _ in IN_ORDER] == list(Obstacle)[:-1]
