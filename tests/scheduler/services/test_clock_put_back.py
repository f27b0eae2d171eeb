"""A service whose machine's clock is put back goes on at once, and not once the hour has passed again."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.prove.world.product import write_campaign
from tests.prove.world.stage import Stage, wait_until
from tests.support.clock_file import ClockFile


def test_a_service_goes_on_when_the_clock_is_put_back(tmp_path: Path) -> None:
    with Stage(tmp_path / "service") as stage:
        # given a service that sends a campaign
        clock = ClockFile(tmp_path, datetime.now(UTC))
        stage.product.environment |= clock.environment
        write_campaign(stage.inbox, "spring", recipients=60, batch_size=1, more="  rate: 2/second\n")
        stage.start("up", "--json", victim=("--patch", "tests.support.clock_file:follow_everywhere"))

        def sent() -> int:
            return stage.ledger.read_text().count('"accepted_at"') if stage.ledger.exists() else 0

        assert wait_until(lambda: sent() >= 5, 60), stage.errors_of_last()
        # when the clock is put back by an hour
        clock.set(datetime.now(UTC) - timedelta(hours=1))
        before, began = sent(), time.monotonic()
        # then it goes on within seconds, says so, and sends to everybody once
        assert wait_until(lambda: sent() >= before + 5, 60), stage.errors_of_last()
        assert time.monotonic() - began < 60
        assert wait_until(lambda: sent() == 60, 120), stage.errors_of_last()
        jumps = [line for line in stage.errors_of_last().splitlines() if '"clock.jumped"' in line]
        assert [round(json.loads(line)["seconds"], -2) for line in jumps] == [-3600]
