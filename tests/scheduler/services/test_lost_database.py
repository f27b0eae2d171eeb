"""A database that is lost, or replaced, while texts are sent or in between: nobody gets a text twice."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.prove.product import summary_of, write_campaign
from tests.prove.stage import Stage, kill, wait_until

PEOPLE = 120
SENT = 40
"""So many texts are at the gateway when the database is lost, at least."""

SECONDS = 40.0


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "stage") as stage:
        write_campaign(stage.inbox, "spring", recipients=PEOPLE, batch_size=4, more="  rate: 25/second\n")
        yield stage


def texts(stage: Stage) -> Counter[str]:
    """How many texts each number got, by the gateway's own ledger."""
    lines = stage.ledger.read_bytes().split(b"\n")[:-1]
    return Counter(json.loads(line)["number"] for line in lines)


def everything_lost(stage: Stage) -> None:
    """All but the mark, as with a volume that is not mounted any more."""
    for name in ("", "-wal", "-shm"):
        stage.database.with_name(stage.database.name + name).unlink(missing_ok=True)


def wal_lost(stage: Stage) -> None:
    for name in ("-wal", "-shm"):
        stage.database.with_name(stage.database.name + name).unlink()


@pytest.mark.parametrize("lose", [everything_lost, wal_lost])
def test_what_a_lost_database_sent_is_not_sent_again_once_it_was_recovered(
    stage: Stage, lose: Callable[[Stage], None]
) -> None:
    # given a service that is killed, and its database lost
    service = stage.start("up")
    assert wait_until(lambda: stage.stored() >= SENT, SECONDS)
    kill(service)
    before = stage.stored()
    lose(stage)

    # when nobody has recovered it, nothing is sent, though the campaign is planned
    service = stage.start("up")
    assert wait_until(lambda: "is sent at the moment" in status(stage), SECONDS)
    assert "campaigns recover" in status(stage)
    kill(service)
    assert stage.stored() == before

    # and when somebody has, everybody gets one text
    recovered = stage.product.run("recover")
    assert f"It has {before:,} messages that the database did not know" in recovered.stdout
    stage.start("up")
    assert wait_until(lambda: len(texts(stage)) == PEOPLE and "completed" in status(stage), SECONDS), status(stage)
    assert set(texts(stage).values()) == {1}
    summary = summary_of(stage.product.run("status", "spring", "--json").stdout) or {}
    assert summary["recipients"] == {"delivered": PEOPLE, "invalid": 1, "duplicate": 1, "audience": PEOPLE + 2}


def status(stage: Stage) -> str:
    path = stage.inbox / "spring.status.txt"
    return path.read_text(encoding="utf-8") if path.exists() else ""
