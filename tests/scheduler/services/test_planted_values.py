"""Marked values are planted everywhere in a real service that meets every kind of error: no output has one of them."""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from http.client import HTTPConnection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from campaigns.access import Actor, ActorKind, Role
from scheduler.actions.access.users import add_user
from scheduler.ticks import table
from scheduler.web.api.routes import installation
from tests.prove.leaks import dump_redis, leaks
from tests.prove.world.evidence import read_ledger
from tests.prove.world.product import Product
from tests.scheduler.services.test_services import wait_until
from tests.support.nursery import Sandbox
from tests.support.receiver import Receiver
from worker import tracing
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.plan import FaultPlan, FaultRule
from worker.sandbox.running.options import SandboxOptions
from worker.store.engine import Store

KEY = "markedkey-4711-0815"
SECRETS = {
    "key": KEY,
    "webhook": "markedwebhookpath",
    "signature": "markedsigning0000",
    "mail": "markedmailsecret",
    "password": "Markedpassword!9",
    "guess": "Markedwrongguess",
    "idempotency": "markedidempotency",
}
PEOPLE = 12
BROKEN = ["--patch", f"{__name__}:break_things"]
ROW = "Markedcell"
REPLY = "Markedreply please"
CODE = "Markedcode 9137"
NUMBERS = [f"+393331000{place:03}" for place in range(PEOPLE)]
NUMBER = "+393331000777"
TEXT = "Markedtext in a frame"
LATER = [f"+393332000{place:03}" for place in range(2)]
CAMPAIGN = """\
campaign: {name}-sale
message: Markedbody {{{{ first_name }}}}
audience:
  - file: {name}.csv
    number: phone
throughput:
  batch_size: 1
"""
LOST = FaultPlan(
    rules=(
        FaultRule((RequestKind.SEND,), 1, {"drop_after": 1}),
        FaultRule((RequestKind.READ,), 1, {"server_error_before": 1}),
    )
)
"""Requests get no reply, and cannot be looked up: an alert is raised."""


class PlantedError(Exception):
    """What no code of ours expects."""


def _fails(*_: Any, **__: Any) -> NoReturn:
    text = TEXT
    raise PlantedError(f"the row of {NUMBER} is broken: {text}")


def break_things() -> None:
    """A patch for `victim`: a tick and a route fail, and every trace goes to standard output."""
    table.probe = _fails  # type: ignore[attr-defined]  # a fault in a whole process is what is asked for
    installation.read_all_held = _fails  # type: ignore[attr-defined]  # as above
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout)))
    tracing.use(provider)


class Caller:
    """Calls the service, and keeps every answer: of those that are errors, and of the others what is not data."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.errors = ""

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str, str]:
        parts = urlsplit(self.url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json", **named})
            answer = connection.getresponse()
            said = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 400:
            self.errors += said
        return answer.status, said, " ".join(answer.headers.get_all("Set-Cookie", []))


@contextmanager
def ended(service: ForkServerProcess) -> Iterator[None]:
    try:
        yield
    finally:
        service.kill()
        service.join()


def cookie(header: str) -> str:
    """The secret in these headers: one of them takes back the cookie of the other kind."""
    secret: str
    [secret] = re.findall(r"=([\w-]{20,})", header)
    return secret


def drop(inbox: Path, name: str, numbers: Sequence[str]) -> None:
    rows = "".join(f"{number},{ROW}{place}\n" for place, number in enumerate(numbers))
    (inbox / f"{name}.csv").write_text(f"phone,first_name\n{rows}", encoding="utf-8")
    (inbox / f"{name}.yaml").write_text(CAMPAIGN.format(name=name), encoding="utf-8")


def found(outputs: Mapping[str, str], secrets: set[str]) -> list[str]:
    """Every planted value in the outputs."""
    texts = {"Markedbody", ROW, REPLY, CODE, TEXT}
    return [
        *leaks(outputs, key=KEY, numbers=[*NUMBERS, *LATER, NUMBER], texts=texts),
        *(f"{name}: {secret}" for name, said in outputs.items() for secret in secrets if secret in said),
    ]


def test_no_planted_value_is_in_any_output(tmp_path: Path, postgres_url: str, redis_url: str) -> None:
    inbox, ledger = tmp_path / "inbox", tmp_path / "ledger.jsonl"
    inbox.mkdir()
    options = SandboxOptions(key=KEY, ledger=ledger, pace_per_second=2_000, delivery_max_seconds=0.4, failed=0.3)
    with Sandbox.start(options) as sandbox, Receiver(500, 500) as hook:
        product = Product(
            tmp_path, gateway_url=sandbox.url, key=KEY, database_url=postgres_url, redis_url=redis_url,
            inbox=str(inbox), http="127.0.0.1:0", reply_poll_seconds="0.3", help_answer=f"{CODE} helps",
            report_webhook=f"{hook.url}/{SECRETS['webhook']}", webhook_secret=SECRETS["signature"],
            notify_email="a@example.com", smtp_url=f"smtp://user:{SECRETS['mail']}@127.0.0.1:9",
        )  # fmt: skip
        token = str(json.loads(product.run("tokens", "add", "ci", "--scope", "read,submit", "--json").stdout)["token"])
        del product.outputs[-2:]  # it is shown once, to the person who asked
        with ended(product.fork("up", "--json", victim=BROKEN)):
            out, err = product.outputs[-2:]
            wait_until(lambda: out.exists() and err.exists() and "/first?code=" in out.read_text() + err.read_text())
            wait_until(lambda: "front_door.opened" in err.read_text())
            link = re.search(r"(http://\S+?)(/first\?code=(\S+))", out.read_text() + err.read_text())
            assert link
            call = Caller(link[1])
            _, _, first_cookie = call("GET", link[2], Sec_Fetch_Site="none")

            # somebody signs in, and somebody else tries to
            store, who = Store(postgres_url), Actor(ActorKind.CLI, "tests")
            add_user(store, who, "anna", Role.ADMIN, SECRETS["password"], now=datetime.now(UTC))
            store.close()
            name, wrong = (
                {"name": "anna", "password": SECRETS["password"]},
                {"name": "anna", "password": SECRETS["guess"]},
            )
            assert call("POST", "/signin", wrong)[0] == 401
            status, _, session = call("POST", "/signin", name)
            assert (status, bool(session), bool(first_cookie)) == (200, True, True)

            # a campaign is sent, of which some texts fail; people answer it
            drop(inbox, "spring", NUMBERS)
            wait_until((inbox / "spring.report.csv").exists, seconds=120)
            for number, words in zip(NUMBERS, ("STOP", "HELP", REPLY), strict=False):
                form = urlencode({"number": number, "message": words, "key": KEY}).encode()
                with urllib.request.urlopen(f"{sandbox.url}/sandbox/inbound", form, 10):
                    pass
            wait_until(lambda: any(message.text.startswith(CODE) for message in read_ledger(ledger)))

            # a program sends a code, and is refused; a route fails, and so does a tick
            bearer = {"Authorization": f"Bearer {token}"}
            body = {"to": NUMBERS[5], "text": CODE, "valid_for": "10m"}
            assert call("POST", "/v1/messages", body, Idempotency_Key=SECRETS["idempotency"], **bearer)[0] < 300
            refused = {"to": NUMBERS[0], "text": CODE, "valid_for": "10m"}  # said STOP
            assert call("POST", "/v1/messages", refused, Idempotency_Key="other", **bearer)[0] == 409
            other = {"to": NUMBERS[6], "text": CODE, "valid_for": "10m"}
            assert call("POST", "/v1/messages", other, Idempotency_Key=SECRETS["idempotency"], **bearer)[0] == 422
            assert call("GET", "/v1/campaigns", Authorization=f"Bearer {token}x")[0] == 401
            assert call("GET", "/v1/held", **bearer)[0] == 500
            wait_until(lambda: "tick.failed" in err.read_text() and "notice" in err.read_text())
            wait_until(lambda: len(hook.calls) > 2)

            # texts get no reply, and it cannot be found out what became of them
            plan = json.dumps({**asdict(LOST), "key": KEY}).encode()
            with urllib.request.urlopen(f"{sandbox.url}/sandbox/faults", plan, 10):
                pass
            drop(inbox, "autumn", LATER)
            wait_until(lambda: "batch.failed" in err.read_text() and "in_doubt_too_long" in err.read_text())
            metrics = urllib.request.urlopen(f"{call.url}/metrics", timeout=10).read().decode()
            redis = dump_redis(redis_url)

    logs = "".join(line for line in err.read_text().splitlines(keepends=True) if "/first?code=" not in line)
    spans = "".join(line for line in out.read_text().splitlines(keepends=True) if "/first?code=" not in line)
    outputs = {"log": logs, "spans": spans, "metrics": metrics, "redis": redis, "errors of the API": call.errors}
    outputs |= {path.name: path.read_text() for path in inbox.glob("*.status.txt")}
    outputs |= {name: text for name, text in product.said().items() if name not in {out.name, err.name}}
    assert "PlantedError" in logs
    assert '"name": "tick"' in spans
    assert len(outputs) > 5
    secrets = {*SECRETS.values(), token, link[3], cookie(session), cookie(first_cookie)}
    assert all(len(secret) > 8 for secret in secrets)
    assert found(outputs, secrets) == []
    for planted in (*secrets, KEY, LATER[0], TEXT):  # each would have been found
        assert found({**outputs, "log": f"{logs}{planted}\n"}, secrets)
