"""`campaigns run`, killed again and again, against a gateway for which nobody here wrote faults: the whole promise."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.protocol.world.unrelated_archive import Message
from tests.protocol.world.unrelated_gateway import UnrelatedGateway
from tests.prove.world.evidence import Told
from tests.prove.world.product import Audience, Product, summary_of, write_campaign

KILLS = 5
ENDS = {"Delivered": "delivered", "FAILED": "failed"}
"""What the product should call what became of a message."""


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.proof)])
def test_a_run_that_is_killed_again_and_again_doubles_nobody_and_loses_nobody(tmp_path: Path, seed: int) -> None:
    rng = Random(seed)
    with UnrelatedGateway(tmp_path / "registro.jsonl", seed=seed) as gateway:
        # given a run that is killed at any moment, and run again
        audience = write_campaign(tmp_path, "spring-sale", recipients=120)
        product = Product(tmp_path, gateway_url=gateway.url, key=gateway.key)
        for killed in range(1, KILLS + 1):
            process = product.fork("run", audience.path.name, "--json")
            process.join(rng.uniform(0.3, 2.5))
            while killed == KILLS and not gateway.whims:  # on a busy machine it may not have begun to send yet
                process.join(0.05)
                assert process.exitcode is None, "it ended without a request"
            assert process.exitcode is None, "it ended before it could be killed"
            process.kill()
            process.join()

        # when it is run once more and left alone
        ended = product.run("run", audience.path.name, "--json", timeout_seconds=120)

        # then it ended well, and the books add up
        assert ended.code in {0, 3}, ended.stderr
        assert "picks up where it left off" in ended.stderr
        told = product.export(audience.campaign)
        stored = gateway.archive.everything()
        assert problems(audience, told, stored) == []
        summary = summary_of(ended.stdout)
        assert summary is not None
        assert summary["state"] == "completed"
        assert summary["recipients"] == {"audience": audience.rows} | Counter(row.state for row in told)
        # and the gateway was what it was meant to be
        assert len(set(gateway.whims)) >= 5


def problems(audience: Audience, told: tuple[Told, ...], stored: list[Message]) -> list[str]:
    """Every broken promise, in words; numbers are those of the test."""
    copies = Counter(message.number for message in stored)
    by_number = {message.number: message for message in stored}
    found = [f"{number} was sent {count} times" for number, count in copies.items() if count > 1]
    found += [f"{number} is nobody's" for number in copies.keys() - audience.eligible]
    rows = [row for row in told if row.state not in {"duplicate", "invalid"}]
    if len(told) != audience.rows or {row.number for row in rows} != audience.eligible:
        found.append(f"the export has {len(told)} rows, {len(rows)} of them eligible")
    for row in rows:
        message = by_number.get(row.number)
        who = f"{row.number} ({row.state}: {row.reason})"
        if row.gateway_id is None:
            if row.state not in {"held", "failed"} or not row.reason:
                found.append(f"{who} has no message and no explanation")
        elif message is None or message.id != row.gateway_id:
            found.append(f"{who} is told to be message {row.gateway_id} and is {message and message.id}")
        elif row.state != ENDS[message.end]:
            found.append(f"{who} ended as {message.end}")
    return found
