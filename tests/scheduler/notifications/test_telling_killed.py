"""A process that is killed after a call and before it has recorded that."""

import signal
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from scheduler.notifications.delivery import CLAIM
from scheduler.ticks.notices import NoticesTick
from tests.prove.world.product import Product
from tests.support.clocks import FakeClock
from tests.support.receiver import Receiver
from worker.building import build_runtime
from worker.settings.settings import Settings

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
        product = Product(
            tmp_path, gateway_url="http://127.0.0.1:9", key="k", database_url=database, allow_private_webhooks="true"
        )
        # when
        killed = product.run("run", "told.yaml", "--sandbox", victim=["--crash", "notice_told:before_commit"])
        # then
        assert killed.code == -signal.SIGKILL
        assert receiver.events() == ["run.started"]
        settings = Settings(database_url=database, allow_private_webhooks=True, timezone="UTC", _env_file=None)
        later = FakeClock(datetime.now(UTC) + CLAIM)
        with closing(build_runtime(settings, sandbox=("http://127.0.0.1:9", SecretStr("k")), clock=later)) as runtime:
            notices = NoticesTick()
            notices(runtime, later.now())
            notices(runtime, later.now())
        assert receiver.events() == ["run.started", "run.started"]
        first, second = receiver.calls
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.json["id"]
