"""Faults of everything except sends: reads that do not show what there is, and services that fail."""

from collections.abc import Iterator

import httpx
import pytest

from tests.worker.sandbox.faults.faulty_gateway import NUMBERS, Aftermath, FaultyGateway, rows
from tests.worker.sandbox.php_client import until
from worker.sandbox.exchange import RequestKind
from worker.sandbox.faults.replies import SERVER_ERRORS
from worker.sandbox.faults.table import faults_of
from worker.sandbox.running.options import Profile, SandboxOptions


@pytest.fixture(scope="module", params=list(Profile))
def profile(request: pytest.FixtureRequest) -> Profile:
    chosen: Profile = request.param
    return chosen


@pytest.fixture(scope="module")
def gateway(profile: Profile) -> Iterator[FaultyGateway]:
    with FaultyGateway.start(SandboxOptions(profile=profile, pace_per_second=1_000.0)) as started:
        yield started


@pytest.fixture
def group(gateway: FaultyGateway) -> Iterator[str]:
    """The group of a request that the sandbox has accepted while all is well."""
    gateway.switch()
    group: str = rows(gateway.send())[0]["groupID"]
    yield group
    gateway.switch()


def found(reply: httpx.Response) -> int:
    """How many messages a read shows; finding none is an error in one profile, and an empty list in the other."""
    body = reply.json()
    return len(body["data"]["messages"]) if body["success"] else 0


def test_a_read_says_that_there_is_nothing(gateway: FaultyGateway, profile: Profile, group: str) -> None:
    # given
    gateway.switch("lies_empty", requests=["read"])
    # when
    reply = gateway.post("read-messages", groupId=group).json()
    # then
    if profile is Profile.STRINGS:
        assert (reply["success"], reply["error"]["code"]) == (False, 404)
    else:
        assert reply["data"] == {"messages": []}


def test_a_read_does_not_show_the_newest_messages_yet(gateway: FaultyGateway, group: str) -> None:
    # given
    gateway.switch("lag", requests=["read"], times={"lag_seconds": 1.5})
    # when / then
    assert found(gateway.post("read-messages", groupId=group)) == 0
    assert until(lambda: found(gateway.post("read-messages", groupId=group))) == len(NUMBERS)


def test_a_read_leaves_some_messages_out(gateway: FaultyGateway, group: str) -> None:
    # given
    gateway.switch("rows_missing", requests=["read"])
    # when / then
    assert 0 < found(gateway.post("read-messages", groupId=group)) < len(NUMBERS)


@pytest.mark.parametrize("fault", [name for name in faults_of(RequestKind.READ) if name != "slow_reply"])
def test_no_fault_of_a_read_changes_what_is_stored(gateway: FaultyGateway, group: str, fault: str) -> None:
    # given
    since = Aftermath.mark(gateway)
    gateway.switch(fault, requests=["read"])
    # when
    if fault == "drop_before":
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            gateway.post("read-messages", groupId=group)
    else:
        gateway.post("read-messages", groupId=group)
    # then
    (drawn,) = since.drawn()
    assert (drawn["fault"], drawn["kind"], drawn["stored"]) == (fault, "read", [])
    assert since.stored() == []
    gateway.switch()
    assert found(gateway.post("read-messages", groupId=group)) == len(NUMBERS)


def test_only_the_kinds_of_the_rule_fault(gateway: FaultyGateway, group: str) -> None:
    # given
    gateway.switch("server_error_before", requests=["balance"])
    # when / then
    assert gateway.post("send").status_code in SERVER_ERRORS
    assert gateway.send().json()["success"]
    assert found(gateway.post("read-messages", groupId=group)) == len(NUMBERS)


@pytest.mark.parametrize(("fault", "error"), [("server_error_before", None), ("server_error_after", 500)])
def test_a_change_of_contacts_fails_before_or_after_it_took_effect(
    gateway: FaultyGateway, fault: str, error: int | None
) -> None:
    # given
    number = f"+4477009008{len(fault)}"
    gateway.switch(fault, requests=["contacts"])
    # when
    assert gateway.post("manage-contacts", listID=1, number=number).status_code in SERVER_ERRORS
    gateway.switch()
    # then: adding what is already there is an error
    again = gateway.post("manage-contacts", listID=1, number=number).json()
    assert again["success"] is (error is None)
