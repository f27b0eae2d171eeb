"""One call, sent fifty times at once by programs that never give up, to a server that is killed: one effect."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import sqlalchemy as sa

from campaigns.access import Scope
from scheduler.inbox.uploads import Upload
from tests.scheduler.web.api.api_caller import Callers
from tests.store.store_world import World, people
from tests.support.tcp_server import unused_port
from worker.runtime import Runtime
from worker.store.tables import audit_entries, idempotent_calls

CALLS = 50
PATIENCE_SECONDS = 300
SERVER = """
import os, signal, sys
from worker import crashpoints
point = sys.argv.pop()
crashpoints.arm(lambda name: name == point and os.kill(os.getpid(), signal.SIGKILL))
from scheduler.cli import main
main()
"""


@contextmanager
def server(runtime: Runtime, port: int, point: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real `campaigns dashboard` that is killed at this point, or at the end of the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    environment = kept | {
        "CAMPAIGNS_DATABASE_URL": runtime.settings.database_url,
        "CAMPAIGNS_GATEWAY_URL": "http://127.0.0.1:9",
        "CAMPAIGNS_API_KEY": "none",
        "CAMPAIGNS_HTTP": f"127.0.0.1:{port}",
        "CAMPAIGNS_TIMEZONE": "UTC",
        "CAMPAIGNS_API_RATE": "10000",
    }
    place = runtime.settings.inbox.parent
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, "dashboard", point], env=environment, cwd=place, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_call_survives_its_server(api_runtime: Runtime, world: World) -> None:
    world.run(people(5))
    port = unused_port()
    caller = Callers(api_runtime, f"http://127.0.0.1:{port}").with_scopes(Scope.CONTROL)
    until = time.monotonic() + PATIENCE_SECONDS

    def insist(_: int) -> bytes:
        while time.monotonic() < until:
            try:
                answer = caller.call("POST", "/campaigns/spring-sale/pause", Idempotency_Key="insistent")
            except (OSError, HTTPException):  # nobody listens, or the answer broke off
                time.sleep(0.05)
                continue
            if answer.status == 200:
                return answer.body
            assert answer.status in {409, 503}, answer.body
        raise TimeoutError

    with ThreadPoolExecutor(CALLS) as pool:
        answers = [pool.submit(insist, place) for place in range(CALLS)]
        for point in ("call_once:before_commit", "call_once:committed"):
            with server(api_runtime, port, point) as process:
                assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
        with server(api_runtime, port, ""):
            bodies = {each.result() for each in answers}
    assert len(bodies) == 1
    with api_runtime.store.read() as session:
        assert list(session.scalars(sa.select(audit_entries.c.action))) == ["pause"]
        assert session.scalars(sa.select(sa.func.count()).select_from(idempotent_calls)).one() == 1


def test_what_a_killed_server_left_is_removed(tmp_path: Path) -> None:
    for name in (".upload-old.csv", ".upload-new.csv", "table.csv"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / ".upload-old.csv", (0, 0))
    with Upload(tmp_path, suffix=".csv"):
        pass
    assert sorted(each.name for each in tmp_path.iterdir()) == [".upload-new.csv", "table.csv"]
