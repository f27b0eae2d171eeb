"""The API under hostile calls: each has an answer that the document declares, and none changes or tells anything.

    python -m tests.prove.api --count 10000 --seed 1

Half of them are made by schemathesis from the document, sound and unsound ones, by somebody who may only read. The
other half are written by hand: hostile paths, queries, headers, bodies and cookies on real sockets, by nobody, by a
reader and by somebody who may do everything. No answer may be a 5xx, or have a status that its route does not declare,
or hold a planted number, text, key, path or traceback. The database must be as it was, row by row, but for what calls
with a success have done.
"""

import argparse
import http.client
import json
import random
import re
import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import hypothesis
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from campaigns.access import Scope
from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from scheduler.web.api.app import document
from tests.prove.record.lines import recording
from tests.scheduler.web.api.api_caller import Callers
from tests.scheduler.web.caller import KEY, Door
from tests.scheduler.web.conftest import runtime_of
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.tables import tokens

NUMBER: Final = "+39333009"
TEXT: Final = "Mark3d-T3xt"
SECRETS: Final = (NUMBER, "39333009", TEXT, KEY, "Traceback", "site-packages", "sqlalchemy", "/inbox")
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ANY_ROUTE: Final = frozenset({400, 404, 405, 413, 414, 421, 431})
"""What the server itself may answer: to what is no HTTP, to a host, an address or a method that is not there."""

ENDLESS: Final = "/events"
USED: Final = frozenset({tokens.name})
"""Tables that a call may change because it is a call: when a token was last used."""

NAUGHTY: Final = (
    "", "0", "-1", "1e3", "NaN", "null", "true", "spring-sale", "../../etc/passwd", "..%2f..%2f", "%00", "\x00",
    "%ff%fe", "' OR 1=1--", "{{7*7}}", "<script>alert(1)</script>", "a" * 5_000, "9" * 400, "\u202e", "\ud7ff",
    "\U0001f600" * 50, "+39 333", "%2B39333009000", "$(id)", "\r\nX-Injected: 1", "[]", '{"a":', "\\", "*", "?", "#",
    "//", ";", "%", "\uff0b\uff13\uff19", "\u0661\u0662\u0663",
)  # fmt: skip
HEADERS: Final = (
    "Accept", "Authorization", "Content-Digest", "Content-Length", "Content-Type", "Cookie", "Expect", "Host",
    "Idempotency-Key", "If-Match", "Last-Event-ID", "Range", "Sec-Fetch-Site", "Transfer-Encoding", "X-Forwarded-For",
    "X-HTTP-Method-Override", "X-Original-URL", "Content-Encoding", "Origin",
)  # fmt: skip
METHODS: Final = ("GET", "GET", "POST", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "FOO")


@dataclass
class Tally:
    """What came of the calls."""

    statuses: Counter[int] = field(default_factory=Counter)
    changes: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def installation(folder: Path) -> Iterator[tuple[Runtime, Callers]]:
    """A front door whose database has people, texts and replies that nobody without `read:numbers` may see."""
    url = f"sqlite:///{folder / 'campaigns.db'}"
    runtime = runtime_of(url, inbox=folder / "inbox", api_rate=100_000)
    try:
        world = World(runtime.store)
        rows = [row._replace(number=f"{NUMBER}{place:03}", text=TEXT) for place, row in enumerate(people(30))]
        world.run(rows[:20])
        world.run([row._replace(state=RecipientState.HELD) for row in rows[20:]], campaign="held-sale")
        with runtime.store.write() as session:
            reply = Incoming(1, f"{NUMBER}001", TEXT, 1, 0, NOW, Meaning.REVIEW)
            store_replies(session, runtime.account_id, [reply], came_by="poll", now=NOW)
        with Door(runtime) as door:
            yield runtime, Callers(runtime, door.url)
    finally:
        runtime.close()


def digests(runtime: Runtime) -> dict[str, str]:
    """Return a digest of the rows of each table."""
    found = {}
    with runtime.store.read() as session:
        for name in sorted(sa.inspect(session.connection()).get_table_names()):
            if name not in USED:
                rows = session.connection().exec_driver_sql(f'SELECT * FROM "{name}"')
                found[name] = sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()
    return found


def by_document(callers: Callers, count: int, seed: int, tally: Tally) -> None:
    """Make calls as schemathesis derives them from the document, by somebody who may only read."""
    schema = schemathesis.openapi.from_dict(document())
    token = callers.with_scopes(Scope.READ).token
    found = [made.ok() for made in schema.get_all_operations() if isinstance(made, Ok)]
    operations = [operation for operation in found if operation.path != ENDLESS]
    for place, operation in enumerate(operations):
        for mode in schemathesis.GenerationMode:

            @hypothesis.seed(seed + place)
            @hypothesis.settings(
                max_examples=max(1, count // (2 * len(operations))),
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def probe(case: schemathesis.Case[Any]) -> None:
                answer = case.call(
                    base_url=f"{callers.url}/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60
                )
                tally.statuses[answer.status_code] += 1
                tally.faults += [f"{case.method} {case.path}: leaks {each}" for each in leaks(answer.content)]
                if case.method != "GET" and answer.status_code < 400:
                    tally.faults.append(f"{case.method} {case.path}: {answer.status_code} for a reader")
                try:
                    case.validate_response(answer, checks=CHECKS)
                except (AssertionError, FailureGroup) as error:
                    tally.faults.append(f"{case.method} {case.path}: {answer.status_code}: {str(error)[:300]}")

            with suppress(hypothesis.errors.Unsatisfiable):
                probe()


def by_hand(callers: Callers, count: int, seed: int, tally: Tally) -> None:
    """Make hostile calls on sockets of their own."""
    declared = document()["paths"]
    tokens_of = ("", callers.with_scopes(Scope.READ).token, callers.with_scopes(Scope.ADMIN).token)
    for place in range(count):
        chance = random.Random(f"{seed} {place}")
        method, path, request = hostile(chance, sorted(declared), tokens_of)
        status, body = call(callers.url, request)
        tally.statuses[status] += 1
        shown = f"{place}: {method} {path}: {status}"
        tally.faults += (
            [f"{shown}: leaks {each}" for each in leaks(body)] if tokens_of[2].encode() not in request else []
        )
        tally.changes += method not in {"GET", "HEAD"} and 200 <= status < 300
        allowed = {int(each) for each in responses(declared, method, path)} | ANY_ROUTE
        if status >= 500 or (status and status not in allowed):
            tally.faults.append(f"{shown}: not declared: {body[:200]!r}")


def responses(declared: Mapping[str, Any], method: str, path: str) -> Iterator[str]:
    """What is declared for a route, and for those of which it is one: `/people/erase` is a `/people/{number}`."""
    for other, operations in declared.items():
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(other)), path):
            yield from operations.get(method.lower(), {}).get("responses", {})


def hostile(chance: random.Random, paths: list[str], tokens_of: tuple[str, ...]) -> tuple[str, str, bytes]:
    """Return the method, the route that is meant, and the bytes of a call."""
    path, method = chance.choice([each for each in paths if each != ENDLESS]), chance.choice(METHODS)

    def naughty() -> str:
        return (
            chance.choice(NAUGHTY)
            if chance.random() < 0.8
            else "".join(chr(chance.randrange(1, 0x2FF)) for _ in range(9))
        )

    def written(text: str) -> str:
        return quote(text, safe="%" if chance.random() < 0.5 else "")

    address = re.sub(r"\{\w+\}", lambda _: written(naughty()) or "x", path)
    names = ("after", "limit", "dry_run", "kind", "state", "run", "number", "reason", naughty())
    query = "&".join(f"{written(chance.choice(names))}={written(naughty())}" for _ in range(chance.randrange(4)))
    body = chance.choice((b"", b"{}", naughty().encode("utf-8", "surrogatepass"), chance.randbytes(50), b"[" * 5_000))
    if chance.random() < 0.2:
        wild = {chance.choice(("rate", "number", "numbers", "as", "only", "account", naughty())): naughty()}
        body = json.dumps(wild).encode()
    headers = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body))}
    headers |= {"Content-Type": chance.choice(("application/json", "application/yaml", "text/csv"))}
    if token := chance.choice(tokens_of):
        headers["Authorization"] = f"Bearer {token}"
    for _ in range(chance.randrange(3)):
        headers[chance.choice(HEADERS)] = re.sub("[\r\n\0]", "", naughty())
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} /v1{address}{'?' if query else ''}{query} HTTP/1.1\r\n{lines}\r\n"
    return method, path, head.encode("utf-8", "surrogatepass") + body


def call(url: str, request: bytes) -> tuple[int, bytes]:
    """Return status and body of the answer; 0 if the server only hung up, or waited for more than was sent.

    Only a request that lacks something is followed by the end of the stream: a caller that closes its side gets no
    answer, though the server has done what was asked.
    """
    parts = urlsplit(url)
    head, _, sent = request.partition(b"\r\n\r\n")
    is_whole = f"\r\ncontent-length: {len(sent)}\r\n".encode() in head.lower() + b"\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30) as connection:
        with suppress(OSError):
            connection.sendall(request)
            if not is_whole:
                connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection, method=request.partition(b" ")[0].decode())
        try:
            response.begin()
            return response.status, response.read()
        except (http.client.HTTPException, OSError):
            return 0, b""


def leaks(body: bytes) -> list[str]:
    """Return what is in an answer that must not be."""
    return [secret for secret in SECRETS if secret.encode() in body]


def prove(count: int, seed: int, tally: Tally | None = None) -> Tally:
    """Make this many calls, and count them in `tally`."""
    tally = tally or Tally()
    with tempfile.TemporaryDirectory() as name, installation(Path(name)) as (runtime, callers):
        for scope in (Scope.READ, Scope.ADMIN):
            callers.with_scopes(scope)
        before = digests(runtime)
        by_document(callers, count // 2, seed, tally)
        if changed := sorted(dict(digests(runtime).items() - before.items())):
            tally.faults.append(f"calls of a reader have changed {changed}")
        by_hand(callers, count - count // 2, seed, tally)
        if not tally.changes and (changed := sorted(dict(digests(runtime).items() - before.items()))):
            tally.faults.append(f"calls without success have changed {changed}")
    return tally


def main() -> int:
    """Print what came of the calls; the exit code is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tally = Tally()
    with recording("api", seed=given.seed) as record:
        try:
            prove(given.count, given.seed, tally)
        finally:
            record.add({"calls": tally.statuses.total(), "changes": tally.changes}, broken=len(tally.faults))
    answers = ", ".join(f"{status}: {count:,}" for status, count in sorted(tally.statuses.items()))
    sys.stdout.write(f"seed {given.seed}: {tally.statuses.total():,} calls; {answers}\n")
    sys.stdout.write(f"{tally.changes:,} calls by an admin had success; {len(tally.faults):,} faults\n")
    for fault in tally.faults[:20]:
        sys.stdout.write(f"  {fault}\n")
    return 1 if tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())
