"""The life cycles: complete, reachable, and described by their own comments."""

import inspect
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import pytest

from campaigns.lifecycle import (
    BATCH_MOVES,
    NEVER_SENT,
    NOT_AT_THE_GATEWAY,
    RECIPIENT_MOVES,
    RUN_MOVES,
    BatchState,
    RecipientState,
    RunState,
    may_become,
)

Moves = Mapping[Any, frozenset[Any]]

CYCLES: Final[list[tuple[type[StrEnum], Moves, frozenset[StrEnum]]]] = [
    (RunState, RUN_MOVES, frozenset({RunState.SCHEDULED})),
    (BatchState, BATCH_MOVES, frozenset({BatchState.PLANNED})),
    # A plan writes recipients in any of these states.
    (RecipientState, RECIPIENT_MOVES, frozenset({RecipientState.PENDING, *NEVER_SENT})),
]
EVERY_CYCLE = pytest.mark.parametrize(("states", "moves", "starts"), CYCLES, ids=["run", "batch", "recipient"])


def described_edges(states: type[StrEnum]) -> dict[str, set[str]]:
    """What the comment of each member says after its arrow; words in brackets explain and are no states."""
    edges: dict[str, set[str]] = {}
    for value, comment in re.findall(r'"(\w+)"  # (.*)$', inspect.getsource(states), re.MULTILINE):
        _, _, targets = re.sub(r"\([^)]*\)", "", comment).partition("->")
        edges[value] = {target.strip() for target in targets.split(",") if target.strip()}
    return edges


@EVERY_CYCLE
def test_every_state_has_its_line(states: type[StrEnum], moves: Moves, starts: frozenset[StrEnum]) -> None:
    assert set(moves) == set(states)
    assert set(described_edges(states)) == {state.value for state in states}


@EVERY_CYCLE
def test_the_comments_name_exactly_the_moves(states: type[StrEnum], moves: Moves, starts: frozenset[StrEnum]) -> None:
    assert described_edges(states) == {state.value: {to.value for to in targets} for state, targets in moves.items()}


@EVERY_CYCLE
def test_every_state_is_reachable(states: type[StrEnum], moves: Moves, starts: frozenset[StrEnum]) -> None:
    reached, front = set(starts), set(starts)
    while front:
        front = {to for state in front for to in moves[state]} - reached
        reached |= front

    assert reached == set(states)


@pytest.mark.parametrize(
    ("moves", "final"),
    [
        (RUN_MOVES, {RunState.CANCELLED}),
        (BATCH_MOVES, {BatchState.REFUSED, BatchState.CANCELLED}),
        (RECIPIENT_MOVES, {RecipientState.DELIVERED, RecipientState.SKIPPED, *NEVER_SENT}),
    ],
)
def test_final_states_have_no_exit(moves: Moves, final: set[StrEnum]) -> None:
    assert {state for state, targets in moves.items() if not targets} == final


def test_nobody_reaches_the_gateway_without_a_request() -> None:
    # Before `accepted` there is always `in_doubt`, or a person's decision about somebody who was in doubt, or an end
    # that only a message at the gateway can have.
    waiting = NOT_AT_THE_GATEWAY | NEVER_SENT | {RecipientState.HELD, RecipientState.SKIPPED}
    assert may_become(RECIPIENT_MOVES, RecipientState.ACCEPTED) & waiting == {
        RecipientState.IN_DOUBT,
        RecipientState.HELD,
    }
    for beyond in (RecipientState.SENT, RecipientState.DELIVERED):
        assert not may_become(RECIPIENT_MOVES, beyond) & waiting


def test_only_proof_or_a_person_makes_somebody_pending_again() -> None:
    assert may_become(RECIPIENT_MOVES, RecipientState.PENDING) == {
        RecipientState.IN_DOUBT,
        RecipientState.HELD,
        RecipientState.FAILED,
    }


def test_may_become_turns_the_table_around() -> None:
    for _, moves, _ in CYCLES:
        for to in moves:
            assert may_become(moves, to) == {state for state in moves if to in moves[state]}
