"""Calls, each sent many times at once by programs that never give up, to servers that are killed: one effect each."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
import sqlalchemy as sa

from campaigns.access import Scope
from campaigns.lifecycle import RecipientState
from scheduler.inbox.uploads import Upload, uploads_in
from tests.prove.world.product import Product
from tests.scheduler.web.api.api_caller import Caller, Callers
from tests.scheduler.web.api.conftest import installed
from tests.scheduler.web.api.test_api_files import TABLE, digest_of
from tests.store.store_world import World, people
from tests.support import nursery
from tests.support.tcp_server import unused_port
from worker.runtime import Runtime
from worker.store.tables import audit_entries, idempotent_calls, recipients, runs

PATIENCE_SECONDS = 300
FILE = b"""\
campaign: summer-sale
message: Hi {{ name }}, our sale begins.
approval: true
schedule:
  start: 2099-06-01 10:00
audience:
  - file: customers.csv
    number: phone
"""
JSON = {"Content_Type": "application/json"}
KEYED = ("call_once:before_commit", "call_once:committed")
OF_THE_MOMENT = {"changed", "taken", "state", "reason", "why", "approved", "approval"}
"""What an answer may say differently later: whether it was the first, how far a text is, and who approved a plan."""


@dataclass(frozen=True)
class Asked:
    """A call, the action that the audit has of it, and where the server is killed."""

    action: str
    method: str
    path: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    points: tuple[str, ...] = KEYED

    def sent_by(self, caller: Caller) -> Any:
        kind = {} if self.body is None or self.method == "PUT" else JSON
        key = {} if self.method == "PUT" else {"Idempotency_Key": f"key-of-{self.action}"}
        return caller.call(self.method, self.path, self.body, **kind, **key, **dict(self.headers))


CASES = (
    Asked("pause", "POST", "/campaigns/spring-sale/pause"),
    Asked("throttle", "POST", "/campaigns/spring-sale/throttle", b'{"rate": "30/minute"}'),
    Asked("suppress", "POST", "/suppressions", b'{"numbers": ["+39 333 000 0901"]}'),
    Asked("resolve", "POST", "/campaigns/held-sale/resolve", b'{"as": "sent"}'),
    Asked("message", "POST", "/messages", b'{"to": "+39 333 000 0902", "text": "Your code is 4711."}',
          points=("message:before_commit", "message:committed")),
    Asked("upload", "PUT", "/tables/customers.csv?number=phone", TABLE, (("Content_Digest", digest_of(TABLE)),),
          ("upload:before_commit", "upload:committed")),
    Asked("submit", "PUT", "/campaigns/summer-sale", FILE, (("Content_Type", "application/yaml"),),
          ("register:committed", "plan_chunk:committed", "upload_remember:before_commit")),
)  # fmt: skip


def approval(caller: Caller) -> Asked:
    plan = caller.get("/campaigns/summer-sale/plan").json["approval"]["plan"]
    return Asked("approve", "POST", "/campaigns/summer-sale/approve", None, (("If_Match", f'"{plan}"'),))


@dataclass(frozen=True)
class Servers:
    """Makes servers, one after the other, at one address."""

    product: Product
    role: str

    @contextmanager
    def one(self, point: str = "") -> Iterator[ForkServerProcess]:
        """A real process that kills itself at this point, or is killed at the end of the block."""
        process = self.product.fork(self.role, victim=["--crash", point])
        try:
            yield process
        finally:
            process.kill()
            nursery.exit_code(process, PATIENCE_SECONDS)


@pytest.fixture(params=["sqlite", "postgresql"])
def api_runtime(
    request: pytest.FixtureRequest, tmp_path: Path, migrated: Callable[[Path], object]
) -> Iterator[Runtime]:
    """One for each test: what is counted at its end is its own."""
    yield from installed(request, tmp_path, migrated)


@pytest.fixture
def world(api_runtime: Runtime) -> World:
    return World(api_runtime.store)


def insist(asked: Asked, caller: Caller, until: float) -> str:
    """Ask until there is an answer; return what does not depend on when it was given."""
    while time.monotonic() < until:
        try:
            answer = asked.sent_by(caller)
        except (OSError, HTTPException):  # nobody listens, or the answer broke off
            time.sleep(0.2)  # fifty that ask more often leave little of the processor to a server that starts
            continue
        if answer.status in {200, 202}:
            if asked.method == "POST":  # it has a key
                return str(answer.body, "utf-8")
            return json.dumps({name: value for name, value in answer.json.items() if name not in OF_THE_MOMENT})
        assert answer.status in {409, 503}, answer.body
        assert answer.json["code"] in {"under_way", "unavailable"}, answer.body
    raise TimeoutError


@pytest.mark.parametrize("calls", [10, pytest.param(50, marks=pytest.mark.proof)])
def test_calls_survive_their_servers(calls: int, api_runtime: Runtime, world: World, tmp_path: Path) -> None:
    world.run(people(5))
    world.run(people(2, first=40, state=RecipientState.HELD), campaign="held-sale")
    settings, port = api_runtime.settings, unused_port()
    role = "up" if settings.database_url.startswith("sqlite") else "dashboard"
    product = Product(
        tmp_path, gateway_url="http://127.0.0.1:9", key="none", database_url=settings.database_url,
        inbox=str(settings.inbox), http=f"127.0.0.1:{port}", region="IT", api_rate="10000",
    )  # fmt: skip
    servers = Servers(product, role)
    caller = Callers(api_runtime, f"http://127.0.0.1:{port}").with_scopes(Scope.ADMIN)
    until, given = time.monotonic() + PATIENCE_SECONDS, list[tuple[Asked, str]]()

    def survive(asked: Asked, pool: ThreadPoolExecutor) -> None:
        answers = [pool.submit(insist, asked, caller, until) for _ in range(calls)]
        for point in asked.points:
            with servers.one(point) as process:
                assert nursery.exit_code(process, PATIENCE_SECONDS) == -SIGKILL, (asked.action, point)
        with servers.one():  # which answers, and is killed then
            (answer,) = {each.result() for each in answers}
        given.append((asked, answer))

    with ThreadPoolExecutor(calls) as pool:
        for asked in CASES:
            survive(asked, pool)
        with servers.one():
            insist(Asked("", "GET", "/campaigns/summer-sale"), caller, until)
            last = approval(caller)
        survive(last, pool)
        with servers.one():
            for asked, answer in given:
                assert insist(asked, caller, until) == answer, asked.action
    with api_runtime.store.read() as session:
        # Whoever submits again what was not planned to its end is named again, with the same run and version.
        columns = [audit_entries.c[name] for name in ("action", "actor", "subject", "run_id", "plan_hash")]
        done = Counter(map(tuple, session.execute(sa.select(*columns))))
        again = {action: count for (action, *_), count in done.items() if count > 1}
        assert (set(again) <= {"submit"}, len(done)) == (True, len(given)), again
        assert {action for action, *_ in done} == {asked.action for asked, _ in given}
        keyed = sum(asked.points is KEYED for asked, _ in given)
        assert session.scalars(sa.select(sa.func.count()).select_from(idempotent_calls)).one() == keyed
        assert session.scalars(sa.select(sa.func.count()).select_from(runs)).one() == 4
        assert session.scalars(sa.select(sa.func.count()).select_from(recipients)).one() == 5 + 2 + 1 + 3
    kept = {each.name for each in uploads_in(settings.inbox).iterdir() if each.suffix != ".lock"}
    assert {name for name in kept if not name.startswith(".upload-")} == {"customers.csv", "summer-sale.yaml"}


def test_what_a_killed_server_left_is_removed(tmp_path: Path) -> None:
    for name in (".upload-old.csv", ".upload-new.csv", "table.csv"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / ".upload-old.csv", (0, 0))
    with Upload(tmp_path, suffix=".csv"):
        pass
    assert sorted(each.name for each in tmp_path.iterdir()) == [".upload-new.csv", "table.csv"]
