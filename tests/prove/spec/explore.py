"""An explicit-state checker: every state of a world, the shortest way to a broken promise, and whether all can end."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from tests.prove.spec.state import State
from tests.prove.spec.world import World


@dataclass(frozen=True, slots=True)
class Explored:
    """What was found. `wrong`: the broken promise, "" if there is none; `trace`: the steps that lead to it."""

    states: int
    transitions: int
    depth: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


def explore(world: World, *, must_end: bool = True) -> Explored:
    """Walk through every state, breadth first, and stop at the first broken promise.

    `must_end`: from every state everybody can still be settled, or else somebody is lost without being shown.
    """
    start = world.start()
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    places = {start: 0}
    depths = [0]
    before: list[list[int]] = [[]]
    over: list[int] = []
    waiting = deque([start])
    transitions = 0

    def found(at: State, wrong: str, last: str = "") -> Explored:
        steps = [last] if last else []
        steps += _steps_to(came_from, at)
        return Explored(len(places), transitions, depths[-1], wrong, tuple(reversed(steps)))

    while waiting:
        state = waiting.popleft()
        place = places[state]
        if world.is_over(state):
            over.append(place)
        for name, after, wrong in world.following(state):
            transitions += 1
            if wrong:
                return found(state, wrong, name)
            known = places.get(after)
            if known is None:
                known = places[after] = len(places)
                came_from[after] = (state, name)
                depths.append(depths[place] + 1)
                before.append([])
                waiting.append(after)
                if wrong := world.wrong(after):
                    return found(after, wrong)
            before[known].append(place)
    if must_end and (stuck := _cannot_end(before, over)) is not None:
        state = next(each for each, place in places.items() if place == stuck)
        return found(state, "somebody can never be settled")
    return Explored(len(places), transitions, depths[-1])


def _steps_to(came_from: dict[State, tuple[State, str] | None], state: State) -> Iterator[str]:
    while (way := came_from[state]) is not None:
        state, name = way
        yield name


def _cannot_end(before: list[list[int]], over: list[int]) -> int | None:
    """The first state from which no end can be reached."""
    can = bytearray(len(before))
    todo = list(over)
    for place in over:
        can[place] = 1
    while todo:
        for place in before[todo.pop()]:
            if not can[place]:
                can[place] = 1
                todo.append(place)
    stuck = can.find(0)
    return None if stuck < 0 else stuck
