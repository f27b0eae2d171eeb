"""The log of notifications, and sending one again."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select
from typer.testing import Result

from scheduler.notifications.delivery import GIVE_UP_AFTER, deliver
from scheduler.ticks.retention import EVERY, ForgetTick
from tests.support.clocks import FakeClock
from tests.support.receiver import Receiver
from tests.support.tcp_server import unused_port
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import load_settings
from worker.store.models import AuditEntry
from worker.store.notifications import outbox

Cli = Callable[..., Result]
NOW = datetime.now(UTC)


@pytest.fixture
def runtime(folder: Path, migrated: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    migrated(folder)
    monkeypatch.setenv("CAMPAIGNS_ALLOW_PRIVATE_WEBHOOKS", "true")
    settings = load_settings(gateway_url="http://127.0.0.1:9", api_key="unused")
    with closing(build_runtime(settings, clock=FakeClock(NOW))) as made:
        yield made


def tell(runtime: Runtime, target: str, *, created_at: datetime = NOW) -> None:
    with runtime.store.write() as session:
        outbox.tell(
            session, key=f"{target} {created_at}", channel="webhook", target=target, event="run.paused",
            body={"id": "0b4e0bf35ac14a6e"}, run_id=None, now=created_at, not_before=created_at,
        )  # fmt: skip


def listed(cli: Cli, *options: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in cli("calls", "--json", *options).stdout.splitlines()]


def test_every_try_is_listed_with_the_host_only_and_what_went_wrong(cli: Cli, runtime: Runtime) -> None:
    nobody = f"http://anna:secret@127.0.0.1:{unused_port()}/token"
    with Receiver(500, 204) as receiver:
        tell(runtime, receiver.url + "?key=secret")
        tell(runtime, nobody)
        deliver(runtime, {})
        runtime.clock.sleep(60)
        deliver(runtime, {})
    calls = listed(cli)
    hosts = {str(receiver.url).split("/")[2]: "mine", nobody.split("@")[1].split("/")[0]: "nobody"}
    found = sorted((hosts[str(call["target"])], call["status"], call["problem"]) for call in calls)
    assert found == [
        ("mine", 204, ""), ("mine", 500, "HTTP 500"), *[("nobody", None, "ConnectError")] * 2,
    ]  # fmt: skip
    assert {(call["channel"], call["event"]) for call in calls} == {("webhook", "run.paused")}
    assert len(listed(cli, "--failed")) == 3
    assert [call["id"] for call in listed(cli, "--limit", "1")] == [max(call["id"] for call in calls)]  # type: ignore[type-var]  # ids are numbers
    shown = cli("calls").stdout
    assert ("HTTP 500" in shown, "secret" in shown, "token" in shown) == (True, False, False)


@pytest.mark.parametrize("age", [timedelta(), GIVE_UP_AFTER * 2], ids=["waits for its next try", "was given up"])
def test_a_call_is_repeated_with_the_same_webhook_id(cli: Cli, runtime: Runtime, age: timedelta) -> None:
    with Receiver(500) as receiver:
        tell(runtime, receiver.url, created_at=NOW - age)
        deliver(runtime, {})
        [failed] = listed(cli)
        result = cli("calls", "repeat", str(failed["id"]), "--json")
        first, again = receiver.calls
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, 204)
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == "0b4e0bf35ac14a6e"
    assert first.body == again.body
    assert [call["notice"] for call in listed(cli)] == [failed["notice"]] * 2
    with runtime.store.read() as session:
        [entry] = session.exec(select(AuditEntry)).all()
    assert (entry.action, entry.subject) == ("repeat_call", failed["target"])
    assert entry.detail == {"call": failed["id"], "event": "run.paused"}
    runtime.clock.sleep(86_400)
    assert deliver(runtime, {}).taken == 0  # it is not told a third time


def test_a_repeat_that_does_not_get_through_is_tried_again_by_the_service(cli: Cli, runtime: Runtime) -> None:
    with Receiver(204, 503) as receiver:
        tell(runtime, receiver.url)
        deliver(runtime, {})
        [taken] = listed(cli)
        result = cli("calls", "repeat", str(taken["id"]))
        assert (result.exit_code, "HTTP 503" in result.stdout) == (3, True)
        runtime.clock.sleep(3_600)
        assert deliver(runtime, {}).taken == 1


def test_a_call_that_there_is_not_is_refused(cli: Cli, runtime: Runtime) -> None:
    assert cli("calls").stdout == "no calls were made yet; campaigns notify shows the targets\n"
    assert cli("calls", "--failed").stdout == "no call has failed\n"
    result = cli("calls", "repeat", "7")
    assert (result.exit_code, result.stderr) == (2, "there is no call 7; list them with: campaigns calls\n")


def test_calls_are_forgotten_even_if_their_notice_is_not(cli: Cli, runtime: Runtime) -> None:
    forget = ForgetTick()
    with Receiver(204) as receiver:
        tell(runtime, receiver.url)
        deliver(runtime, {})
    assert len(listed(cli)) == 1
    runtime.clock.sleep((timedelta(days=runtime.settings.notice_days + 31) + EVERY).total_seconds())
    forget(runtime, runtime.clock.now())
    assert listed(cli) == []
