"""HELP, answered by the real service through a real sandbox, killed on the way: judged by the gateway's ledger."""

import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import Product, write_campaign
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions

KEY: Final = "key-of-the-test-4711"
TEXT: Final = "This is the flower shop. Call 555 0100."
PATIENCE_SECONDS: Final = 20.0


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_one_help_gives_one_text_also_when_it_comes_twice_and_the_service_is_killed(tmp_path: Path) -> None:
    # given people who were written to, two of whom ask, one of them twice
    ledger = tmp_path / "ledger.jsonl"
    (tmp_path / "inbox").mkdir()
    options = SandboxOptions(key=KEY, ledger=ledger, delivery_min_seconds=0.1, delivery_max_seconds=0.2)
    with Sandbox.start(options) as sandbox:
        product = Product(
            tmp_path, gateway_url=sandbox.url, key=KEY, database_url=f"sqlite:///{tmp_path / 'campaigns.db'}",
            inbox=str(tmp_path / "inbox"), reply_poll_seconds="0.3", help_answer=TEXT,
        )  # fmt: skip
        first = write_campaign(tmp_path, "first", recipients=3)
        assert product.run("run", str(first.path)).code == 0
        anna, ben, _ = sorted(first.eligible)

        def writes(number: str) -> None:
            form = urlencode({"number": number, "message": "HELP", "key": KEY}).encode()
            with urllib.request.urlopen(f"{sandbox.url}/sandbox/inbound", form, 10):
                pass

        def answers() -> list[str]:
            return sorted(message.number for message in read_ledger(ledger) if message.text == TEXT)

        for number in (anna, anna, ben):
            writes(number)
        # when the service is killed after it has stored the questions, and before it has sent anything
        killed = product.run("up", victim=["--crash", "replies:committed:1"])
        assert (killed.code, answers()) == (-signal.SIGKILL, [])
        # and killed again, when the gateway has an answer (or both: threads send them) and we do not know it
        killed = product.run("up", victim=["--crash", "post:replied:1"])
        assert killed.code == -signal.SIGKILL
        assert answers() in ([anna], [ben], [anna, ben])
        # and continues, and one of them asks once more
        service = product.fork("up")
        try:
            until(lambda: len(answers()) == 2)
            writes(anna)
            until(lambda: product.run("why", anna).stdout.count("(help)") == 3)
            until(lambda: {row.state for row in product.export("help-answers")} == {"delivered"})
        finally:
            service.terminate()
            service.join(30)
        books = product.export("help-answers")
        told = product.run("why", anna).stdout
    # then
    assert answers() == [anna, ben]
    assert {row.number: row.state for row in books} == {anna: "delivered", ben: "delivered"}
    assert "the answer to their HELP" in told
