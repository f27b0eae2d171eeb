"""A process that is killed after a call and before it has written that down."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from scheduler.telling.delivery import CLAIM
from scheduler.ticks.notices import notices
from tests.support.clocks import FakeClock
from tests.support.receiver import Receiver
from worker.runtime import build_runtime
from worker.settings import Settings

KILLED_AFTER_THE_CALL: Final = """
import os, signal
from worker.crashpoints import arm
arm(lambda point: os.kill(os.getpid(), signal.SIGKILL) if point == "notice_told:before_commit" else None)
from scheduler.cli import main
main()
"""
CAMPAIGN: Final = """
campaign: told
message: Hi
audience: [{recipients: [{number: "+39 333 123 4567"}]}]
report: {webhook: "%s"}
"""


def test_it_is_told_again_and_is_the_same(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/campaigns.db"
    with Receiver() as receiver:
        (tmp_path / "told.yaml").write_text(CAMPAIGN % receiver.url)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
        given = {"CAMPAIGNS_DATABASE_URL": database, "CAMPAIGNS_ALLOW_PRIVATE_WEBHOOKS": "true"}
        # when
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_AFTER_THE_CALL, "run", "told.yaml", "--sandbox"],
            env=kept | given | {"PYTHONPATH": str(Path(__file__).parents[3])},
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
            check=False,
        )
        # then
        assert killed.returncode == -signal.SIGKILL
        assert receiver.events() == ["run.started"]
        settings = Settings(database_url=database, allow_private_webhooks=True, timezone="UTC", _env_file=None)
        later = FakeClock(datetime.now(UTC) + CLAIM)
        with closing(build_runtime(settings, sandbox=("http://127.0.0.1:9", SecretStr("k")), clock=later)) as runtime:
            notices(runtime, later.now())
            notices(runtime, later.now())
        assert receiver.events() == ["run.started", "run.started"]
        first, second = receiver.calls
        assert first.body == second.body
