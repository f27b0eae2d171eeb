"""Each fault that a send can meet over HTTP, by name: what the client sees, and what the ledger holds."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.worker.sandbox.faults.faulty_gateway import NUMBERS, Aftermath, FaultyGateway, is_json
from tests.worker.sandbox.php_client import until
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.replies import CLIENT_ERRORS, SERVER_ERRORS, UNKNOWN_TEXTS
from worker.sandbox.faults.table import faults_of
from worker.sandbox.running.options import Profile, SandboxOptions

ALL, NONE = len(NUMBERS), 0

# What the client sees instead of an honest reply.
SHOWN: dict[str, Callable[[httpx.Response], object]] = {
    "client_error": lambda reply: reply.status_code in CLIENT_ERRORS,
    "server_error": lambda reply: reply.status_code in SERVER_ERRORS,
    "failure_unknown": lambda reply: (
        reply.json()["error"]["code"] == 500 and reply.json()["error"]["message"] in UNKNOWN_TEXTS
    ),
    "html": lambda reply: reply.status_code == 200 and reply.text.startswith("<!DOCTYPE html>"),
    "empty": lambda reply: reply.status_code == 200 and reply.content == b"",
    "other_json": lambda reply: is_json(reply) and not (isinstance(reply.json(), dict) and "error" in reply.json()),
    "no_messages": lambda reply: reply.json()["success"] and not reply.json()["data"].get("messages"),
    "only_credits": lambda reply: reply.json()["success"] and set(reply.json()["data"]) == {"credits"},
}
REFUSED = {
    "refused_key": (401, "This API key is invalid"),
    "refused_subscription": (500, "Your subscription has expired"),
    "refused_credits": (500, "You have insufficient credits"),
    "refused_sim": (500, "There is no SIM card present on slot index"),
    "refused_device": (500, "This device doesn't exist"),
    "refused_format": (500, "Invalid request format"),
}
STATUS = {
    **{f"http_{status}": status for status in (401, 403, 404, 413)},
    **dict.fromkeys(("throttled_seconds", "throttled_date", "throttled_garbage", "throttled_plain"), 429),
    **{f"redirect_{status}": status for status in (301, 302, 307)},
}
DROPPED = {"drop_before": NONE, "drop_after": ALL}
CHANGED = {
    "slow_reply",
    "partly_server_error",
    "partly_failure_unknown",
    "partly_credits_gone",
    "partly_drop",
    "late_server_error",
    "late_drop",
    "rows_skipped",
    "rows_hidden",
    "rows_shuffled",
    "row_twice",
    "extra_rows",
    "groups_split",
    "groups_split_lost",
    "text_footer",
    "text_footer_lost",
    "text_replaced",
    "text_replaced_lost",
}


@pytest.fixture(scope="module", params=list(Profile))
def gateway(request: pytest.FixtureRequest) -> Iterator[FaultyGateway]:
    with FaultyGateway.start(SandboxOptions(profile=request.param, pace_per_second=1_000.0)) as started:
        yield started


def test_every_fault_of_a_send_is_in_one_of_these_tables() -> None:
    before_and_after = {f"{name}_{when}" for name in SHOWN for when in ("before", "after")}
    assert before_and_after | set(REFUSED) | set(STATUS) | set(DROPPED) | CHANGED == set(faults_of(RequestKind.SEND))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("when", "count"), [("before", NONE), ("after", ALL)])
@pytest.mark.parametrize("shown", SHOWN)
def test_a_wrong_reply_before_or_after_storing(
    gateway: FaultyGateway, since: Aftermath, shown: str, when: str, count: int, seed: int
) -> None:
    # given
    gateway.switch(f"{shown}_{when}", seed=seed)
    # when
    reply = gateway.send()
    # then
    assert SHOWN[shown](reply)
    since.assert_on_record(f"{shown}_{when}", count)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_known_refusal_stores_nothing(gateway: FaultyGateway, since: Aftermath, fault: str) -> None:
    # given
    gateway.switch(fault)
    code, text = REFUSED[fault]
    # when
    reply = gateway.send().json()
    # then
    assert (reply["success"], reply["error"]["code"]) == (False, code)
    assert reply["error"]["message"].startswith(text)
    since.assert_on_record(fault, NONE)


@pytest.mark.parametrize("fault", STATUS)
def test_an_http_status_of_a_web_server_stores_nothing(gateway: FaultyGateway, since: Aftermath, fault: str) -> None:
    # given
    gateway.switch(fault)
    # when
    reply = gateway.send()
    # then
    assert reply.status_code == STATUS[fault]
    since.assert_on_record(fault, NONE)


def test_a_429_says_in_every_possible_way_when_to_come_back(gateway: FaultyGateway, since: Aftermath) -> None:
    # when
    said = {}
    for form in ("seconds", "date", "garbage", "plain"):
        gateway.switch(f"throttled_{form}", times={"retry_after_seconds": 7})
        said[form] = gateway.send().headers.get("retry-after")
    # then
    assert said["seconds"] == "7"
    assert said["date"].endswith(" GMT")
    assert not said["garbage"].isascii() or not said["garbage"].isdigit()
    assert said["plain"] is None
    assert since.stored() == []


def test_a_redirect_leads_back_to_the_same_service(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("redirect_307")
    # when
    reply = gateway.send()
    # then
    assert reply.headers["location"] == "/services/send.php"


@pytest.mark.parametrize("fault", DROPPED)
def test_a_reset_instead_of_a_reply(gateway: FaultyGateway, since: Aftermath, fault: str) -> None:
    # given
    gateway.switch(fault)
    # when
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        gateway.send()
    # then
    since.assert_on_record(fault, DROPPED[fault])


def test_a_slow_reply_comes_after_the_client_s_patience_but_the_texts_are_stored(
    gateway: FaultyGateway, since: Aftermath
) -> None:
    # given
    gateway.switch("slow_reply", times={"slow_seconds": 5})
    # when
    with pytest.raises(httpx.ReadTimeout):
        gateway.send(timeout=0.2)
    # then
    assert until(since.drawn)
    since.assert_on_record("slow_reply", ALL)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fault", ["partly_server_error", "partly_failure_unknown", "partly_credits_gone"])
def test_a_beginning_of_the_batch_is_stored_and_then_comes_an_error(
    gateway: FaultyGateway, since: Aftermath, fault: str, seed: int
) -> None:
    # given
    gateway.switch(fault, seed=seed)
    # when
    reply = gateway.send()
    # then
    assert reply.status_code >= 500 or reply.json()["error"]["code"] == 500
    numbers = [message["number"] for message in since.stored()]
    assert NONE < len(numbers) < ALL
    assert numbers == list(NUMBERS[: len(numbers)])
    since.assert_on_record(fault, len(numbers))


def test_a_beginning_of_the_batch_is_stored_and_then_the_connection_is_reset(
    gateway: FaultyGateway, since: Aftermath
) -> None:
    # given
    gateway.switch("partly_drop")
    # when
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        gateway.send()
    # then
    assert NONE < len(since.stored()) < ALL


def test_the_only_text_of_a_request_cannot_be_stored_in_part(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("partly_server_error")
    # when
    reply = gateway.post("send", number=NUMBERS[0], message="Hi")
    # then
    assert reply.status_code >= 500
    since.assert_on_record("partly_server_error", NONE)


@pytest.mark.parametrize("fault", ["late_server_error", "late_drop"])
def test_what_failed_is_stored_some_time_later(gateway: FaultyGateway, since: Aftermath, fault: str) -> None:
    # given
    gateway.switch(fault, times={"late_min_seconds": 1.0, "late_max_seconds": 1.1})
    # when
    if fault == "late_drop":
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            gateway.send()
    else:
        assert gateway.send().status_code in SERVER_ERRORS
    # then
    assert since.stored() == []
    assert until(since.drawn)
    since.assert_on_record(fault, ALL)
    assert since.stored()[0]["accepted_at"] - since.drawn()[0]["at"] >= 1.0


def test_a_list_can_be_stored_in_part_too(gateway: FaultyGateway, since: Aftermath) -> None:
    # given
    gateway.switch("partly_server_error")
    # when
    gateway.post("send", listID=1, message="News")
    # then
    assert 0 < len(since.stored()) < 3


@pytest.mark.parametrize("fault", ["rows_hidden", "groups_split", "extra_rows", "partly_server_error", "html_after"])
def test_a_wrong_key_stores_nothing_whatever_the_fault(gateway: FaultyGateway, since: Aftermath, fault: str) -> None:
    # given
    gateway.switch(fault)
    # when
    gateway.client.post("/services/send.php", data={"number": NUMBERS[0], "message": "Hi", "key": "wrong"})
    # then
    since.assert_on_record(fault, NONE)
