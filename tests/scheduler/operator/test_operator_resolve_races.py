"""`resolve` while the service is about to end the run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from typer.testing import Result

from campaigns.lifecycle import BatchState, RecipientState, RunState
from scheduler.ticks.following.finish import FinishTick
from tests.scheduler.operator.held_world import NUMBERS, START, HeldWorld
from tests.support.clocks import FakeClock

Cli = Callable[..., Result]
P = RecipientState


class InterruptedClock(FakeClock):
    """Something happens once, between two looks at this clock."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(START)
        self._happenings = [lambda: None, meanwhile]

    def elapsed_seconds(self) -> float:
        if self._happenings:
            self._happenings.pop(0)()
        return super().elapsed_seconds()


def test_a_run_is_not_ended_when_somebody_decides_while_the_tick_looks_at_it(cli: Cli, world: HeldWorld) -> None:
    # given a run with somebody held, whose following is over
    world.hold(NUMBERS[:1], found=NUMBERS[1:])
    world.set_run(state=RunState.SETTLING, sent_at=START)
    said: list[Result] = []
    clock = InterruptedClock(lambda: said.append(cli("resolve", "spring-sale", "--as", "not-sent")))

    # when the decision comes between the tick's look and its transaction
    counts = FinishTick()(replace(world.runtime, clock=clock), START + timedelta(days=4))

    # then the run continues: the person is sent to, and the others are followed
    assert said[0].stdout.splitlines()[1] == "spring-sale is running"
    assert counts == {"settled": 0, "finished": 0}
    assert (world.run().state, world.run().finished_at) == (RunState.RUNNING, None)
    assert list(world.states().values()) == [P.PENDING, P.ACCEPTED, P.ACCEPTED]
    assert world.batches()[0].state is BatchState.PLANNED
    assert None not in world.polls()
