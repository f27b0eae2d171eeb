"""`why` for somebody from a contact list: the requests to the list are this person's, too."""

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from tests.prove.world.product import Product
from tests.scheduler.operator.held_world import LISTED, SEND_BY, HeldWorld
from tests.support.nursery import Sandbox
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import SandboxOptions
from worker.store.sending.outcome import Listed, Placed, close_attempt, record_list_accepted

Cli = Callable[..., Result]
MEMBER = "+393337000001"
KEY = "key-of-the-lists"


def accept_list(world: HeldWorld, run_id: int) -> None:
    """Send to the list; the reply names one person."""
    intent = world.ask(run_id)
    now = world.clock.now()
    member = Listed(MEMBER, "Our spring sale starts today.", Placed(0, 901, "g", 1, 0))
    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="accepted", evidence={"messages": 1}, now=now)
        record_list_accepted(session, intent, [member], now=now, first_poll_at=now + SEND_BY)


def test_a_decision_about_a_list_is_told_to_each_of_its_people(cli: Cli, world: HeldWorld) -> None:
    # given a request to a list with an unknown outcome, declared as not sent and made again
    run_id = world.begin(LISTED, "club.yaml")
    world.hold_list(run_id)
    assert cli("resolve", "club", "--as", "not-sent").exit_code == 0
    accept_list(world, run_id)

    lines = cli("why", MEMBER).stdout.splitlines()
    (chapter,) = json.loads(cli("why", MEMBER, "--json").stdout)["story"]

    assert lines[4].startswith("  planned: everybody on contact list 7 of the gateway, ")
    assert [line.split(": ")[0] for line in lines[5:9]] == [
        f"  request 1 of batch {chapter['batch']}",
        "    it ended",
        f"  request 2 of batch {chapter['batch']}",
        "    it ended",
    ]
    assert lines[9].startswith("  decided: ada declared the text to contact list 7 not sent, ")
    assert "this person was in" not in "\n".join(lines)
    assert chapter["contact_list"] == 7
    assert [request["outcome"] for request in chapter["requests"]] == ["hold", "accepted"]
    assert [decision["as"] for decision in chapter["decisions"]] == ["not-sent"]


def test_a_decision_about_a_list_is_told_to_nobody_else(cli: Cli, world: HeldWorld) -> None:
    world.hold()
    run_id = world.begin(LISTED, "club.yaml")
    world.hold_list(run_id)

    cli("resolve", "club", "--as", "not-sent")

    assert "decided" not in cli("why", "+393331000001").stdout


def test_a_lost_reply_to_a_list_is_told_with_what_was_looked_up(tmp_path: Path) -> None:
    # given a gateway that sends to a list and whose reply is lost
    lost = FaultRule((RequestKind.SEND,), 1.0, {"drop_after": 1.0}, until_request=1)
    options = SandboxOptions(key=KEY, delivery_max_seconds=0.4, faults=FaultPlan(rules=(lost,)))
    with Sandbox.start(options) as sandbox:
        product = Product(tmp_path, gateway_url=sandbox.url, key=KEY, send_by_seconds="1", settle_seconds="1")
        (tmp_path / "club.yaml").write_text(LISTED.replace("contact_list: 7", "contact_list: 1"))

        # when it is run to its end
        ended = product.run("run", "club.yaml", "--json")
        assert ended.code == 0, ended.stderr
        member = product.export("club")[0].number
        lines = product.run("why", member).stdout.splitlines()

    # then each of its people can see how the request ended, and what proved that it was sent
    assert lines[2] == "club: delivered"
    assert lines[5].startswith("  request 1 of batch 1: ")
    assert lines[5].endswith(", a contact list, the primary phone")
    assert "all of it was written, and no answer came" in lines[6]
    assert lines[7].startswith("    looked up ")
    concluded = [line for line in lines if line.startswith("    concluded: ")]
    assert concluded == [
        "    concluded: the gateway has texts of it; the people it has them for are the people of the list"
    ]
