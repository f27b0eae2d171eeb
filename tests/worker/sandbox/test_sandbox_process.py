"""The sandbox as a process: how it is started, what it prints, how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.worker.sandbox.conftest import StartSandbox
from tests.worker.sandbox.php_client import PhpClient, http, until
from worker.sandbox.errors import SandboxError
from worker.sandbox.running.command import options_from_json, options_to_json
from worker.sandbox.running.options import Profile, SandboxOptions


def is_reachable(url: str) -> bool:
    try:
        http(url + "/")
    except (URLError, OSError):
        return False
    return True


def spawn(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "worker.sandbox", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_url_and_how_to_use_it(ending: signal.Signals) -> None:
    # given
    with spawn("--profile", "ints", "--credits", "3") as process:
        assert process.stdout is not None
        # when
        url = process.stdout.readline().strip()
        process.send_signal(ending)
        rest, complaints = process.communicate(timeout=20)
    # then
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert rest == ""
    match = re.fullmatch(
        r"export CAMPAIGNS_GATEWAY_URL=(\S+)\nexport CAMPAIGNS_API_KEY=(sandbox-[a-z0-9]{12})\n", complaints
    )
    assert match is not None
    assert match[1] == url
    assert process.returncode == 0


def test_a_key_that_was_given_is_not_repeated() -> None:
    # given
    with spawn("--key", "my-own-key") as process:
        assert process.stdout is not None
        # when
        url = process.stdout.readline().strip()
        credits_left = PhpClient(url, "my-own-key").balance()
        process.terminate()
        _, complaints = process.communicate(timeout=20)
    # then
    assert credits_left is None
    assert complaints == ""


def test_a_taken_port_is_an_error_in_one_sentence(start_sandbox: StartSandbox) -> None:
    # given
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        # when / then
        with pytest.raises(SandboxError, match=rf"^Port {port} of 127\.0\.0\.1 cannot be used .*choose another one"):
            start_sandbox(SandboxOptions(port=port))


def test_an_ended_sandbox_frees_its_port_at_once(start_sandbox: StartSandbox) -> None:
    # given
    first = start_sandbox(SandboxOptions())
    PhpClient(first.url, first.key).balance()
    # when
    first.stop()
    second = start_sandbox(SandboxOptions(port=int(first.url.rpartition(":")[2])))
    # then
    assert first.process.returncode == 0
    assert second.url == first.url


def test_a_private_sandbox_ends_with_its_parent_even_if_that_is_killed() -> None:
    # given
    program = (
        "import time; from worker.sandbox.running.process import PrivateSandbox; "
        "from worker.sandbox.running.options import SandboxOptions; "
        "print(PrivateSandbox.start(SandboxOptions()).url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert is_reachable(url)
        # when
        parent.kill()
    # then
    assert until(lambda: not is_reachable(url))


def test_a_private_sandbox_is_out_of_reach_of_the_terminal_s_ctrl_c(start_sandbox: StartSandbox) -> None:
    # when
    sandbox = start_sandbox(SandboxOptions())
    # then
    assert os.getpgid(sandbox.process.pid) != os.getpgid(0)


def test_a_private_sandbox_does_not_show_its_key(start_sandbox: StartSandbox) -> None:
    # when
    sandbox = start_sandbox(SandboxOptions(key="my-own-key"))
    # then
    assert "my-own-key" not in str(sandbox.process.args)


def test_options_travel_to_the_child_unchanged() -> None:
    # given
    options = SandboxOptions(
        port=1234, key="key", ledger=Path("a b.jsonl"), profile=Profile.INTS, webhook="http://localhost:1/x", credits=0
    )
    # when / then
    assert options_from_json(options_to_json(options)) == options
    assert options_from_json(options_to_json(SandboxOptions())) == SandboxOptions()


@pytest.mark.parametrize(
    "values",
    [
        {"port": 65_536},
        {"port": -1},
        {"key": ""},
        {"pace_per_second": 0.0},
        {"delivery_min_seconds": 2.0},
        {"delivery_min_seconds": -1.0},
        {"failed": -0.1},
        {"failed": 0.6, "no_report": 0.5},
        {"credits": -1},
    ],
)
def test_options_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(SandboxError):
        SandboxOptions(**values)  # type: ignore[arg-type]  # one table for fields of several types
