"""The pipeline of the papers, as it is printed there, against `campaigns up --sandbox`: killed at each of its lines."""

import csv
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from campaigns.access import Scope
from campaigns.clock import SystemClock
from campaigns.lifecycle import RunState
from tests.support.tcp_server import unused_port
from worker.database import open_store
from worker.settings.settings import Settings
from worker.store.access import tokens
from worker.store.tables import attempts, audit_entries, recipients, runs

PAPER = Path(__file__).parents[4] / "scheduler" / "web" / "README.md"
PEOPLE = 1_000
FILE = """\
campaign: spring-sale
message: Hi {{ name }}, our spring sale begins today.
approval: true
audience:
  - file: customers.csv
    number: phone
default_region: IT
follow:
  until: 30s
"""
RUNNER = """
import os, signal, sys
import httpx
code = compile(open(sys.argv[1]).read(), "pipeline", "exec")
way, most, step = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
passed = 0

def run(victim):
    def pass_by(place):
        if place == victim:
            os.kill(os.getpid(), signal.SIGKILL)

    def at_lines(frame, event, _):
        if frame.f_code.co_filename != "pipeline":
            return None
        if event == "line":
            pass_by(frame.f_lineno)
        return at_lines

    def at_calls(frame, event, called):
        global passed
        if event == "c_return" and getattr(called, "__name__", "") == way:
            passed += 1
            pass_by(passed)

    if way == "line":
        sys.settrace(at_lines)
    else:
        sys.setprofile(at_calls)
    exec(code, {"__name__": "__main__"})

lines = {line for part in [code, *(c for c in code.co_consts if hasattr(c, "co_lines"))]
         for _, _, line in part.co_lines() if line}
for victim in [*(sorted(lines) if way == "line" else range(1, most + 1))[::step], 0]:
    child = os.fork()
    if not child:
        run(victim)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print("END", victim, os.waitstatus_to_exitcode(status), flush=True)
"""
"""Runs the pipeline again and again, each time killed a little later, and in the end to its end.

`line`: before each of its lines; `send`, `recv`: when the nth part of a call was sent, or of an answer came, which
nobody then reads.
"""

MOST = 16
"""Parts that are sent or received."""


@contextmanager
def service(folder: Path) -> Iterator[str]:
    """`campaigns up --sandbox`, at an address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    address = f"127.0.0.1:{unused_port()}"
    environment = kept | {
        "CAMPAIGNS_HTTP": address,
        "CAMPAIGNS_DATABASE_URL": f"sqlite:///{folder / 'campaigns.db'}",
        "CAMPAIGNS_INBOX": str(folder / "inbox"),
        "CAMPAIGNS_TIMEZONE": "UTC",
    }
    command = [sys.executable, "-c", "from scheduler.cli import main; main()", "up", "--sandbox"]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=folder, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize(
    ("way", "step", "kills"),
    [
        ("line", 4, 5),
        ("send", 3, 2),
        pytest.param("recv", 3, 2, marks=pytest.mark.proof),
        pytest.param("line", 1, 20, marks=pytest.mark.proof),
        pytest.param("send", 1, 6, marks=pytest.mark.proof),
        pytest.param("recv", 1, 6, marks=pytest.mark.proof),
    ],
)
def test_the_pipeline_may_be_killed_at_any_line(tmp_path: Path, way: str, step: int, kills: int) -> None:
    """30 lines, of which none does anything twice. It is killed at every `step`-th place, `kills` times at least."""
    script = re.findall(r"```python\n(.*?)```", PAPER.read_text(encoding="utf-8"), re.DOTALL)[0]
    assert len([line for line in script.splitlines() if line.strip()]) <= 30
    (tmp_path / "pipeline.py").write_text(script, encoding="utf-8")
    (tmp_path / "spring-sale.yaml").write_text(FILE, encoding="utf-8")
    with (tmp_path / "customers.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("phone", "name"), *((f"+39333{place:07}", "Anna") for place in range(PEOPLE))])
    store = open_store(Settings(database_url=f"sqlite:///{tmp_path / 'campaigns.db'}", _env_file=None))
    with store.write() as session:
        token = tokens.create(session, "ci", list(Scope), by="tests", now=SystemClock().now())
    with service(tmp_path) as url:
        environment = os.environ | {"SMS_API_URL": url, "SMS_API_TOKEN": token}
        _wait_for(url)
        command = [sys.executable, "-c", RUNNER, "pipeline.py", way, str(MOST), str(step)]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False
        )
    assert done.returncode == 0, done.stderr[-2_000:]
    ends = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("END")]
    assert ends[-1] == ["0", "0"], (ends, done.stderr[-2_000:])
    # What is never reached, such as the line of `raise`, or the events of what is completed by then, ends by itself.
    codes = [code for _, code in ends]
    assert (set(codes), codes.count("-9") >= kills) == ({"-9", "0"}, True), ends
    with store.read() as session:
        actions = list(session.scalars(sa.select(audit_entries.c.action).where(audit_entries.c.actor == "ci")))
        assert sorted(actions) == ["approve", "submit", "upload"]
        assert session.scalars(sa.select(runs.c.state)).all() == [RunState.COMPLETED]
        numbers = session.scalars(sa.select(recipients.c.number)).all()
        assert (len(numbers), len(set(numbers))) == (PEOPLE, PEOPLE)
        texts = session.scalar(sa.select(sa.func.count(recipients.c.gateway_id.distinct())))
        assert (texts, session.scalar(sa.select(sa.func.max(attempts.c.number)))) == (PEOPLE, 1)
    store.close()
    assert f"'audience': {PEOPLE}" in done.stdout


def _wait_for(url: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError
