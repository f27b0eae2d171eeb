"""Erased people are found nowhere: on both databases, by name and by age, and wherever the product was killed."""

from pathlib import Path

import pytest

from tests.prove.traces.erasing import Trial, prove
from tests.prove.world.stage import backed


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("as_fleet", "by_age"),
    [
        pytest.param(False, True, id="sqlite-by age"),
        pytest.param(True, False, id="fleet-by name"),
        pytest.param(False, False, id="sqlite-by name", marks=pytest.mark.proof),  # in short: with a kill, below
        pytest.param(True, True, id="fleet-by age", marks=pytest.mark.proof),
    ],
)
def test_the_erased_are_found_nowhere_and_their_opt_outs_hold(tmp_path: Path, as_fleet: bool, by_age: bool) -> None:
    with backed(as_fleet=as_fleet) as backing:
        outcome = prove(Trial(300, by_age), tmp_path / "here", backing)
    assert outcome.is_kept, "\n".join(outcome.lines())
    assert outcome.second == 300 - outcome.opted_out


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "as_fleet", [pytest.param(False, id="sqlite"), pytest.param(True, id="fleet", marks=pytest.mark.proof)]
)
@pytest.mark.parametrize("edge", ["before_commit", pytest.param("committed", marks=pytest.mark.proof)])
@pytest.mark.parametrize(
    ("point", "by_age"),
    [
        ("erase", False),
        ("forget_portion", True),
        pytest.param("erase_asked", False, marks=pytest.mark.proof),
        pytest.param("wiped", False, marks=pytest.mark.proof),
        pytest.param("forget_run", True, marks=pytest.mark.proof),
        pytest.param("forget_rest", True, marks=pytest.mark.proof),
        pytest.param("forgotten", True, marks=pytest.mark.proof),
    ],
)
def test_a_kill_while_people_are_erased_leaves_nobody_half_erased(
    tmp_path: Path, point: str, by_age: bool, edge: str, as_fleet: bool
) -> None:
    with backed(as_fleet=as_fleet) as backing:
        outcome = prove(Trial(250, by_age), tmp_path / "here", backing, crash=f"{point}:{edge}:1")
    assert outcome.is_kept, "\n".join(outcome.lines())
