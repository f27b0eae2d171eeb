"""The ledger: what was accepted stays accepted across restarts."""

import json
import time
from pathlib import Path

import pytest

from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.php_client import PhpClient, RefusedError, http, php_form
from worker.sandbox.errors import SandboxError
from worker.sandbox.ledger import Ledger, from_line, to_lines
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.state import SandboxState
from worker.sandbox.targets import Target

NOW = 1_790_000_000.125
TARGETS = [Target(1, None), Target(2, 1)]


def accept(state: SandboxState, count: int, *, schedule: int | None = None, now: float = NOW) -> list[int]:
    rows = [(f"+4477009001{n:02d}", f"Text {n} äß€\n") for n in range(count)]
    return [message.id for message in state.accept(rows, TARGETS, schedule=schedule, random_target=False, now=now)]


def test_a_restarted_sandbox_continues_where_it_was(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    # given
    options = SandboxOptions(ledger=tmp_path / "ledger.jsonl", key="sandbox-key", pace_per_second=1.0, credits=10)
    first = start_sandbox(options)
    gateway = PhpClient(first.url, first.key)
    before = gateway.send_bulk([("+447700900123", "One"), ("+393339990003", "Two")], devices=["2|1"])
    first.process.kill()
    first.stop()
    # when
    second = start_sandbox(options)
    gateway = PhpClient(second.url, second.key)
    after = gateway.send_single("+447700900124", "Three", device="2|1")
    # then
    assert [int(row["ID"]) for row in before + after] == [1, 2, 3]
    assert after[0]["groupID"] != before[0]["groupID"]
    assert [row["message"] for row in gateway.read(groupId=before[0]["groupID"])] == ["One", "Two"]
    assert gateway.read(id=2)[0]["number"] == "+393339990003"
    assert gateway.balance() == 7
    ledger = http(second.url + "/sandbox/ledger")[2]
    assert ledger == (tmp_path / "ledger.jsonl").read_text()
    lines = [json.loads(line) for line in ledger.splitlines()]
    assert [(line["ID"], line["number"], line["device"], line["sim"], line["outcome"]) for line in lines] == [
        (1, "+447700900123", 2, 1, "delivered"),
        (2, "+393339990003", 2, 1, "stuck"),
        (3, "+447700900124", 2, 1, "delivered"),
    ]
    # and the SIM still has its work: one message a second, even across the restart
    assert lines[2]["sent_at"] - lines[0]["sent_at"] >= 1.0
    assert lines[1]["sent_at"] is None


def test_the_queue_of_a_sim_survives_in_the_ledger(tmp_path: Path) -> None:
    # given
    options = SandboxOptions(ledger=tmp_path / "ledger.jsonl", pace_per_second=10.0)
    first = SandboxState(options)
    accept(first, 20)
    accept(first, 4, schedule=int(NOW) + 3_600)
    first.receive("+447700900123", "STOP", now=NOW)
    first.close()
    # when
    second = SandboxState(options)
    accept(second, 2)
    accept(first, 2)
    # then
    assert list(second.messages)[:25] == list(first.messages)[:25]
    assert [message.life for message in second.messages][25:] == [message.life for message in first.messages][25:27]
    assert list(second.messages)[25].life.turn_at == pytest.approx(NOW + 1.0)
    second.close()


def test_a_line_holds_everything_about_a_message() -> None:
    # given
    state = SandboxState(SandboxOptions())
    accept(state, 3, schedule=int(NOW) + 60)
    state.accept([("+393339990002", "\ud800")], TARGETS, schedule=None, random_target=True, now=NOW)
    # when
    lines = to_lines(state.messages).splitlines()
    # then
    assert [from_line(line) for line in lines] == list(state.messages)


def test_a_line_that_was_cut_off_is_dropped_and_its_id_used_again(tmp_path: Path) -> None:
    # given
    path = tmp_path / "ledger.jsonl"
    first = SandboxState(SandboxOptions(ledger=path))
    accept(first, 3)
    first.close()
    path.write_bytes(path.read_bytes()[:-20])
    # when
    second = SandboxState(SandboxOptions(ledger=path))
    kept = len(second.messages)
    again = accept(second, 2)
    second.close()
    # then
    assert kept == 2
    assert again == [3, 4]
    assert [json.loads(line)["ID"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    # given
    path = tmp_path / "list.csv"
    path.write_text("number,name\n+447700900123,Ada\n")
    # when / then
    with pytest.raises(SandboxError, match=r"Line 1 of the ledger .*list.csv is not a sandbox message"):
        SandboxState(SandboxOptions(ledger=path))
    assert path.read_text().startswith("number,name")


def test_a_ledger_in_a_missing_folder_is_an_error_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="cannot be opened"):
        list(Ledger(tmp_path / "nowhere" / "ledger.jsonl").open())


def test_a_request_without_credits_leaves_no_trace(tmp_path: Path) -> None:
    # given
    path = tmp_path / "ledger.jsonl"
    state = SandboxState(SandboxOptions(ledger=path, credits=1))
    # when
    with pytest.raises(Exception, match="insufficient credits"):
        accept(state, 2)
    # then
    assert path.read_bytes() == b""
    assert accept(state, 1) == [1]
    state.close()


def test_groups_can_be_one_per_device() -> None:
    # given
    state = SandboxState(SandboxOptions(group_per_device=True))
    # when
    accept(state, 4)
    # then
    groups = {(message.device, message.group) for message in state.messages}
    assert len(groups) == 2
    assert len({group for _, group in groups}) == 2


def test_statistics_count_requests_and_messages(start_sandbox: StartSandbox) -> None:
    # given
    sandbox = start_sandbox(SandboxOptions(pace_per_second=1_000.0))
    gateway = PhpClient(sandbox.url, sandbox.key)
    # when
    (row,) = gateway.send_single("+393339990003", "Hello", schedule=int(time.time()) - 60)
    gateway.balance()
    gateway.read(id=row["ID"])
    gateway.contact(listID=1, number="+447700900101", unsubscribe=True)
    with pytest.raises(RefusedError):
        PhpClient(sandbox.url, "wrong").balance()
    http(sandbox.url + "/sandbox/inbound", php_form({"number": "+447700900123", "message": "STOP", "key": sandbox.key}))
    # then
    assert json.loads(http(sandbox.url + "/sandbox/stats")[2]) == {
        "requests": {"send": 1, "balance": 2, "read": 1, "contacts": 1, "inbound": 1},
        "messages": {"Pending": 1, "Received": 1},
    }
    assert "sends nothing" in http(sandbox.url + "/")[2]
