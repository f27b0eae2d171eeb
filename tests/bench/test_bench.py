"""The benchmark measures what it says: small, and for the figures' meaning alone, not for their size."""

from pathlib import Path

import pytest

from tests.bench.planning import measure_planning
from tests.bench.results import BenchError, Planned, Sent
from tests.bench.samples import texts, write_campaign
from tests.bench.sending import measure_sending


def test_a_plan_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    # given
    campaign = write_campaign(tmp_path, recipients=300)
    # when
    planned = measure_planning("SQLite", f"sqlite:///{tmp_path / 'bench.db'}", campaign)
    # then every number is one that can be sent to, and the interpreter alone needs some megabytes
    assert planned.recipients == 300
    assert planned.peak_bytes > 20 * 2**20


def test_a_plan_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"(?s)planning on SQLite failed.*missing\.yaml"):
        measure_planning("SQLite", f"sqlite:///{tmp_path / 'bench.db'}", tmp_path / "missing.yaml")


def test_product_and_bare_loop_send_the_same_texts() -> None:
    # given a last batch that is not full; when both send (a text that is missing or doubled is a BenchError)
    sent = measure_sending(10, 25, repetitions=2)
    # then
    assert len(sent.product_seconds) == len(sent.bare_seconds) == 2
    assert sent.ratio > 0


def test_the_texts_of_the_bare_loop_are_those_of_the_campaign(tmp_path: Path) -> None:
    # given
    write_campaign(tmp_path, recipients=2)
    # when
    lines = (tmp_path / "people.csv").read_text(encoding="utf-8").splitlines()
    # then
    number, name, shop = lines[2].split(",")
    assert texts(2)[1] == (number, f"Hi {name}, our spring sale in {shop} starts today. Reply STOP to opt out.")


def test_speeds_come_from_the_medians() -> None:
    # given one slow repetition of each
    sent = Sent(100, 1_000, product_seconds=(2.0, 2.0, 50.0), bare_seconds=(1.0, 9.0, 1.0))
    # then
    assert (sent.product_per_second, sent.bare_per_second, sent.ratio) == (500, 1_000, 0.5)
    assert sent.to_json()["ratios"] == [0.5, 4.5, 0.02]


def test_a_plan_in_json_has_round_figures() -> None:
    assert Planned("SQLite", 100, 0.333, 0.25, 50 * 2**20).to_json() == {
        "database": "SQLite", "recipients": 100, "seconds": 0.333, "cpu_seconds": 0.25, "recipients_per_second": 300,
        "peak_mib": 50.0,
    }  # fmt: skip
