"""Faults around the product, in short: those that need no disk of their own, with few people."""

from pathlib import Path

import pytest

from tests.prove.faults import clocks, crowds, databases, gateways, queues
from tests.prove.faults.kinds import FAULTS
from tests.prove.faults.trial import Fault, prove, table


class Reinstalled(gateways.GatewayReinstalled):
    people = 80


class Stopped(clocks.MachineStopped):
    people = 80


class ThousandsOfFiles(crowds.ManyFiles):
    foreign = 20_000
    over = 5
    people = 80
    look_seconds = 3.0


@pytest.mark.timeout(480)
@pytest.mark.parametrize(
    "fault",
    [
        Reinstalled,
        Stopped,
        ThousandsOfFiles,
        *(
            pytest.param(fault, marks=pytest.mark.proof)
            for fault in (
                databases.FailOver,
                databases.FailOverBehind,
                databases.PoolerKilled,
                queues.RedisFull,
                queues.RedisDrops,
            )
        ),
    ],
    ids=lambda fault: fault.__name__,
)
def test_a_campaign_survives(fault: type[Fault], tmp_path: Path) -> None:
    # given / when
    outcome = prove(fault(), tmp_path / "world")
    # then
    assert outcome.is_kept, table(outcome)
    assert outcome.findings is not None
    assert outcome.findings.stored > fault.people // 2


def test_every_fault_has_a_name_of_its_own_and_says_where_its_waits_are_documented() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert [fault.name for fault in FAULTS if bool(fault.waits_seconds) != bool(fault.because)] == []
