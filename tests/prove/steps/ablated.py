"""The same worlds by a product that reads the conditions of a step before the intent's transaction, and not in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from tests.prove.steps.trial import on_sqlite, tried
from tests.prove.steps.worlds import Chance, StepsWorld, random_world
from worker.sending.dispatch import Dispatcher
from worker.store.people import step_conditions

WORLDS: Final = 12
POINTS: Final = ("step_release:committed", "conditions:committed")
"""When somebody is given a request, and when the product without the rule has read the conditions."""

RULE: Final = "condition in intent"


def needing(seed: int) -> StepsWorld:
    """A world in which phones report while requests are made: nobody is to get a step who has the text before."""
    world = random_world(seed)
    steps = tuple(replace(step, unless=("delivered",), only_if=()) for step in world.steps)
    return replace(
        world, steps=steps, acts=(), retries=False, cap=None, money=None, chance=Chance(0, 0.7, 0, 0, only_at=POINTS)
    )


@contextmanager
def read_before_the_intent() -> Iterator[None]:
    """Let conditions be read in a transaction of their own, right before the intent's."""
    leave_out, promise = step_conditions.leave_out, Dispatcher._promise
    found: list[int] = []

    def read_first(self: Dispatcher, chosen: Any, *rest: Any) -> Any:
        work = chosen.work
        if work.root_id is not None:
            with self._store.write("conditions") as session:
                its = work.root_id, work.previous_id, work.unless, work.only_if
                found.append(leave_out(session.connection(), work.batch_id, *its))
        return promise(self, chosen, *rest)

    dispatcher: Any = Dispatcher
    dispatcher._promise = read_first
    step_conditions.leave_out = lambda *_: found.pop()
    try:
        yield
    finally:
        dispatcher._promise, step_conditions.leave_out = promise, leave_out


def problems(seed: int, count: int = WORLDS, *, removed: bool) -> list[str]:
    """Return every broken promise of some worlds, with the rule or without it."""
    found = []
    with on_sqlite() as store:
        for each in range(seed, seed + count):
            if removed:
                with read_before_the_intent():
                    found += tried(needing(each), store).verdicts.problems
            else:
                found += tried(needing(each), store).verdicts.problems
    return found
