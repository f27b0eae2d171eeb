"""STOP while nothing runs is heard before the next campaign sends anything. Real command line, real sandbox."""

import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import Product, write_campaign
from tests.support.nursery import Sandbox
from worker.sandbox.running.options import SandboxOptions

KEY = "key-of-the-test-4711"


def test_who_wrote_stop_while_nothing_ran_gets_nothing_more(tmp_path: Path) -> None:
    # given a campaign that is over, and somebody who writes while no process of ours runs
    ledger = tmp_path / "ledger.jsonl"
    options = SandboxOptions(key=KEY, ledger=ledger, delivery_min_seconds=0.1, delivery_max_seconds=0.2)
    with Sandbox.start(options) as sandbox:
        product = Product(
            tmp_path,
            gateway_url=sandbox.url,
            key=KEY,
            database_url=f"sqlite:///{tmp_path / 'campaigns.db'}",
            reply_poll_seconds="3600",
        )
        first = write_campaign(tmp_path, "first", recipients=3)
        assert product.run("run", str(first.path)).code == 0
        number = max(first.eligible)
        form = urlencode({"number": number, "message": "Arrêt.", "key": KEY}).encode()
        with urllib.request.urlopen(f"{sandbox.url}/sandbox/inbound", form, 10):
            pass
        # when the next campaign runs, at once and as fast as it can
        second = write_campaign(tmp_path, "second", recipients=3)
        assert product.run("run", str(second.path)).code == 0
        told = {row.number: row.state for row in product.export("second")}
    # then
    assert told[number] == "suppressed"
    texts = [message.number for message in read_ledger(ledger) if "second" in message.text]
    assert sorted(texts) == sorted(second.eligible - {number})
