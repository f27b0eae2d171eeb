"""Alerts about what the clock itself needs, from real processes: nobody runs it, or its database is away."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from campaigns.alerts.figures import AlertName
from campaigns.clock import SystemClock
from tests.prove.world.product import Product
from tests.prove.world.stage import Stage
from tests.scheduler.services.test_served_metrics import opened
from tests.scheduler.services.test_services import wait_until
from tests.support.servers import PostgresServer
from worker.servers.conditions import WORDS, Trouble

TIMES = 10


def hurry() -> None:
    """A patch for `victim`: durations pass ten times as fast. A minute that an alert waits is six seconds."""
    honest = SystemClock.elapsed_seconds

    def elapsed_seconds(self: SystemClock) -> float:
        return TIMES * honest(self)

    SystemClock.elapsed_seconds = elapsed_seconds  # type: ignore[method-assign]  # a fast clock for a whole process


def alerts(product: Product, *more: str) -> list[dict[str, Any]]:
    ended = product.run("alerts", "--json", *more)
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def test_workers_and_dashboards_without_a_scheduler_raise_an_alert(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    key = AlertName.NO_LEASE_HOLDER.value
    with Stage(tmp_path / "stage", database_url=postgres_url, redis_url=redis_url) as stage:
        for role in ("worker", "dashboard"):
            stage.start(role, "--json", victim=("--patch", f"{__name__}:hurry"))
        wait_until(lambda: f'"alert": "{key}"' in "".join(stage.product.said().values()), seconds=120)
        [raised] = alerts(stage.product)
        assert (raised["name"], raised["severity"], raised["cleared_at"]) == (key, "page", None)
        assert raised["raised_at"]

        stage.start("scheduler", "--json")
        wait_until(lambda: "alert.cleared" in "".join(stage.product.said().values()), seconds=120)
        assert alerts(stage.product) == []
        [cleared] = alerts(stage.product, "--all")
        assert (cleared["name"], bool(cleared["cleared_at"])) == (key, True)


def test_a_database_that_is_away_is_told_by_log_health_and_doctor_and_leaves_no_alert(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    matter = WORDS[Trouble.DATABASE_AWAY].matter
    with Stage(tmp_path / "stage", database_url=postgres_url, settings={"http": "127.0.0.1:0"}) as stage:
        stage.start("up", "--json")
        log = stage.product.outputs[-1]
        url = opened(log)

        def health() -> int:
            try:
                with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert health() == 200
        postgres_server.stop()
        wait_until(lambda: '"trouble.began"' in log.read_text())
        wait_until(lambda: health() == 503)
        doctor = stage.product.run("doctor")
        assert doctor.code != 0
        assert matter in doctor.stdout + doctor.stderr
        assert matter in log.read_text()

        postgres_server.start()
        wait_until(lambda: '"trouble.ended"' in log.read_text(), seconds=120)
        assert health() == 200
        assert alerts(stage.product, "--all") == []
