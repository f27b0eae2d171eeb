"""STOP while a campaign is sent, in short: the real service, a webhook that loses half of its calls, and polling."""

from pathlib import Path

from campaigns.lifecycle import RecipientState
from tests.prove.stops import Trial, prove, table
from tests.prove.world.stage import Backing


def test_nobody_gets_a_text_after_their_stop_was_stored(tmp_path: Path) -> None:
    # given
    trial = Trial(people=500, rate=50, stops=60, poll_seconds=1, lost=0.5, seed=3)
    # when
    outcome = prove(trial, tmp_path, Backing())
    # then
    assert outcome.violations == [], table(trial, outcome)
    assert outcome.states[RecipientState.SUPPRESSED] > 0
    assert outcome.by["poll"] > 0
    assert outcome.by["webhook"] > 0
    assert outcome.languages >= 25
