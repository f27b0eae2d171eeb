"""How faults are switched on, and how to read what they did."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import worker.sandbox
from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.faults.faulty_gateway import NUMBERS, Aftermath, FaultyGateway
from tests.worker.sandbox.php_client import http, php_form, until
from worker.sandbox.errors import SandboxError
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.faults.table import FAULTS
from worker.sandbox.running.command import main, options_from_json, options_to_json
from worker.sandbox.running.options import SandboxOptions

PLAN = FaultPlan(3, (FaultRule((RequestKind.SEND,), 1.0, {"server_error_after": 1.0}),))


def send(url: str, key: str) -> int:
    fields = {"number": NUMBERS[0], "message": "Hi", "key": key}
    return http(f"{url}/services/send.php", php_form(fields))[0]


def test_a_sandbox_can_start_with_faults_and_keep_a_log_of_them(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    # given
    log = tmp_path / "faults.jsonl"
    sandbox = start_sandbox(SandboxOptions(faults=PLAN, fault_log=log, ledger=tmp_path / "ledger.jsonl"))
    # when
    status = send(sandbox.url, sandbox.key)
    sandbox.stop()
    # then
    assert status >= 500
    (line,) = [json.loads(line) for line in log.read_text().splitlines()]
    (message,) = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert set(line) == {"at", "request", "kind", "nth", "fault", "stored"}
    assert (line["request"], line["stored"]) == (message["request"], [message["ID"]]) == (1, [1])
    # and after a restart the numbers of requests continue
    again = start_sandbox(SandboxOptions(faults=PLAN, fault_log=log, ledger=tmp_path / "ledger.jsonl"))
    send(again.url, again.key)
    again.stop()
    assert [json.loads(line)["request"] for line in log.read_text().splitlines()] == [1, 2]


def test_the_command_takes_a_plan_from_a_file_and_prints_the_proxy_s_address(tmp_path: Path) -> None:
    # given
    plan = FaultPlan(3, (FaultRule((RequestKind.SEND,), 1.0, {"reset_after_request": 1.0}),))
    (tmp_path / "plan.json").write_text(plan.to_json())
    command = [sys.executable, "-m", "worker.sandbox", "--key", "k", "--faults", str(tmp_path / "plan.json")]
    # when
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with pytest.raises(OSError, match="reset"):
            send(url, "k")
        drawn = json.loads(http(f"{url}/sandbox/faults")[2])["drawn"]
        process.terminate()
    # then
    assert drawn == {"send": {"reset_after_request": 1}}
    assert process.returncode == 0


def test_a_plan_file_that_is_missing_is_an_error_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # when
    code = main(["--faults", str(tmp_path / "plan.json")])
    # then
    assert code == 2
    assert re.fullmatch(
        r"The fault plan .*plan\.json cannot be read \(.*\): give another file\.\n", capsys.readouterr().err
    )


def test_what_is_in_force_and_what_was_drawn_can_be_asked_for() -> None:
    # given
    with FaultyGateway.start(SandboxOptions(faults=PLAN)) as gateway:
        gateway.send()
        # when
        before = gateway.client.get("/sandbox/faults").json()
        gateway.switch("lies_empty", requests=["read"], seed=9)
        gateway.post("read-messages", id=1)
        after = gateway.client.get("/sandbox/faults").json()
    # then
    assert FaultPlan.from_json(json.dumps(before["plan"])) == PLAN
    assert before["drawn"] == {"send": {"server_error_after": 1}}
    assert after["plan"]["seed"] == 9
    assert after["drawn"] == {"send": {"server_error_after": 1}, "read": {"lies_empty": 1}}


def test_a_plan_begins_anew_when_it_is_put_in_force() -> None:
    # given
    rule = {"requests": ["send"], "rate": 1, "faults": {"html_before": 1}, "until_request": 1}
    with FaultyGateway.start(SandboxOptions()) as gateway:
        # when
        drawn = []
        for _ in range(2):
            gateway.put({"rules": [rule]}).raise_for_status()
            drawn += [gateway.send().text.startswith("<!DOCTYPE") for _ in range(2)]
    # then
    assert drawn == [True, False, True, False]


def test_the_same_seed_makes_the_same_history_again() -> None:
    # given
    faults = ["partly_server_error", "rows_hidden", "failure_unknown_before", "text_footer_lost"]
    plan = {"rules": [{"requests": ["send"], "rate": 0.5, "faults": dict.fromkeys(faults, 1)}], "seed": 11}
    histories = []
    with FaultyGateway.start(SandboxOptions()) as gateway:
        for polls in (0, 1):
            # when
            since = Aftermath.mark(gateway)
            gateway.put(plan).raise_for_status()
            replies = []
            for _ in range(10):
                replies.append(gateway.send().status_code)
                for _ in range(polls):
                    gateway.post("read-messages", id=1)
            stored = [(message["number"], message["message"]) for message in since.stored()]
            histories.append((replies, stored, [(line["nth"], line["fault"]) for line in since.drawn()]))
    # then
    assert histories[0] == histories[1]
    assert len(histories[0][2]) > 2


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"key": "wrong"}, 401, "key is invalid"),
        ({}, 401, "key is invalid"),
        ({"key": "k", "rules": [{"requests": ["send"], "rate": 2}]}, 400, "rate from 0 to 1"),
        ({"key": "k", "rules": [{"requests": ["send"], "rate": 1, "faults": {"reply_cut": 1}}]}, 400, "--proxy"),
        ([], 400, "one JSON object"),
        ("text", 400, "one JSON object"),
    ],
)
def test_what_cannot_be_put_in_force_changes_nothing(
    start_sandbox: StartSandbox, body: object, status: int, reason: str
) -> None:
    # given
    sandbox = start_sandbox(SandboxOptions(key="k", faults=PLAN))
    # when
    answered, _, text = http(f"{sandbox.url}/sandbox/faults", json.dumps(body).encode())
    # then
    assert (answered, reason in text) == (status, True)
    assert FaultPlan.from_json(json.dumps(json.loads(http(f"{sandbox.url}/sandbox/faults")[2])["plan"])) == PLAN


def test_a_late_commit_that_never_came_is_in_the_log(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    # given
    log = tmp_path / "faults.jsonl"
    rule = FaultRule((RequestKind.SEND,), 1.0, {"late_server_error": 1.0})
    plan = FaultPlan.from_json(json.dumps({"times": {"late_min_seconds": 60, "late_max_seconds": 60}}))
    sandbox = start_sandbox(SandboxOptions(faults=FaultPlan(0, (rule,), plan.times), fault_log=log))
    send(sandbox.url, sandbox.key)
    # when
    sandbox.stop()
    # then
    (line,) = until(lambda: log.read_text().splitlines())
    assert (json.loads(line)["fault"], json.loads(line)["stored"]) == ("late_server_error", [])


def test_options_with_faults_travel_to_the_child_unchanged() -> None:
    # given
    options = SandboxOptions(faults=PLAN, fault_log=Path("faults.jsonl"), proxy=True)
    # when / then
    assert options_from_json(options_to_json(options)) == options


def test_a_fault_log_that_cannot_be_written_is_an_error_with_a_reason(
    start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    with pytest.raises(SandboxError, match=r"The fault log .* cannot be opened"):
        start_sandbox(SandboxOptions(fault_log=tmp_path / "nowhere" / "faults.jsonl"))


def test_the_tables_of_the_readme_say_what_every_fault_befalls() -> None:
    # given
    readme = Path(worker.sandbox.__path__[0], "README.md").read_text()
    every_request = ["balance", "contacts", "read", "send"]
    # when
    table = re.findall(r"^\| `([a-z0-9_]+)` \| ([a-z, ]+) \|", readme.partition("### Over HTTP")[2], re.MULTILINE)
    # then
    told = {name: every_request if befalls == "all" else sorted(befalls.split(", ")) for name, befalls in table}
    assert told == {name: sorted(fault.befalls) for name, fault in FAULTS.items()}
    assert len(told) == len(table)
