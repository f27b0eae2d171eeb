"""Random campaigns with the same cap on the fake clock: an oracle that knows only the gateway counts every period."""

import random
from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from campaigns.lifecycle import NOT_AT_THE_GATEWAY, RecipientState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Send, Stores

pytestmark = pytest.mark.long

P = RecipientState
PEOPLE = 8
DAYS = 5
FAULTS = (LOST, STORED, Send(Answers.HTTP_500, Stores.HALF), Send(Answers.NO_CONNECTION, Stores.NONE))


def texts(bench: Installation) -> dict[str, list[datetime]]:
    """The texts that the gateway has for everybody, in order of time."""
    found: dict[str, list[datetime]] = defaultdict(list)
    for message in bench.gateway.stored:
        found[message.number].append(message.at)
    return {number: sorted(times) for number, times in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_nobody_ever_has_more_texts_in_any_stretch_than_the_cap_allows(bench: Installation, seed: int) -> None:
    # given eight campaigns at random moments to random people, with replies that get lost
    rng = random.Random(seed)
    allowed, per = rng.choice([(1, timedelta(days=1)), (2, timedelta(days=2)), (3, timedelta(days=1))])
    bench.finish(bench.campaign(1, name="before", first=900))
    runs = []
    for place in range(8):
        otherwise = rng.choice(["skip", "defer"])
        late = rng.choice(["", f"schedule: {{timezone: UTC, if_late: {{within: {rng.randint(1, 30)}h}}}}\n"])
        first = rng.randrange(PEOPLE // 2)
        cap = f"frequency_cap: {{messages: {allowed}, per: {per.days}d, otherwise: {otherwise}}}\n"
        bench.gateway.script += rng.choices(FAULTS, k=rng.randrange(2))
        runs.append(
            bench.campaign(
                rng.randint(1, PEOPLE),
                name=f"c{place}",
                text=f"Ciao {place}",
                first=first,
                per_request=3,
                more=cap + late,
            )
        )
        if rng.random() < 0.7:  # otherwise the next one races with it
            bench.pass_time(30, step=10)
            bench.clock.advance(timedelta(minutes=rng.randint(1, 12 * 60)))

    bench.finish_from_due_to_due(*runs, within=timedelta(days=30))

    # then no period of that length holds more, everybody over it is marked so, and nobody is left
    for times in texts(bench).values():
        assert all(times[place + allowed] - times[place] >= per for place in range(len(times) - allowed))
    for run_id in runs:
        states = bench.states(run_id)
        assert not set(states) & NOT_AT_THE_GATEWAY
        assert set(states) <= {P.DELIVERED, P.CAPPED, P.SKIPPED, P.HELD}
        capped = [row for row in bench.recipients(run_id) if row.state is P.CAPPED]
        assert all(f"{allowed} text" in row.reason and "marketing" in row.reason for row in capped)
