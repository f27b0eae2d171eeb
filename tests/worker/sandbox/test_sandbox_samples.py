"""The documentation's sample calls, in both profiles, by a client that is not ours, over HTTP."""

import re
import time
from collections import Counter
from datetime import datetime

import pytest

from tests.worker.sandbox.php_client import PhpClient, RefusedError, Row, until
from worker.sandbox.running.options import Profile

TWELVE = [(f"+4477009001{n:02d}", f"Text {n}") for n in range(12)]
DOCUMENTED = {
    "ID", "number", "message", "deviceID", "simSlot", "userID", "status", "sentDate", "deliveredDate", "groupID",
}  # fmt: skip
SEEN = {"schedule", "resultCode", "errorCode", "type", "attachments", "prioritize", "retries", "expiryDate"}
NOWHERE = "+447700900999"


def ids(rows: list[Row]) -> list[int]:
    return [int(row["ID"]) for row in rows]


def sims(rows: list[Row]) -> Counter[tuple[int, int]]:
    return Counter((int(row["deviceID"]), int(row["simSlot"] or 0)) for row in rows)


def found(gateway: PhpClient, **fields: str | int) -> list[Row]:
    """Finding nothing is an error in one profile and an empty list in the other."""
    try:
        return gateway.read(**fields)
    except RefusedError as refused:
        if refused.code != 404:
            raise
        return []


def test_a_single_message_is_accepted_as_documented(gateway: PhpClient, profile: Profile) -> None:
    # when
    rows = gateway.send_single("+447700900123", "This is a test: äß€ 👋 50 % off/now & more=less+\n")
    # then
    (row,) = rows
    assert row["number"] == "+447700900123"
    assert row["message"] == "This is a test: äß€ 👋 50 % off/now & more=less+\n"
    assert row["status"] in ("Pending", "Queued")
    assert row["sentDate"] is None
    assert row["deliveredDate"] is None
    if profile is Profile.STRINGS:
        assert set(row) == DOCUMENTED
        assert (row["deviceID"], row["simSlot"], row["userID"]) == ("1", "0", "1")
        assert isinstance(row["ID"], str)
    else:
        assert set(row) == DOCUMENTED | SEEN
        assert (row["deviceID"], row["simSlot"], row["userID"]) == (1, None, 1)
        assert isinstance(row["ID"], int)


def test_a_single_message_takes_the_sim_it_is_given(gateway: PhpClient) -> None:
    assert sims(gateway.send_single("+447700900123", "Hello", device="2|1")) == {(2, 1): 1}


def test_a_group_is_one_request_and_has_to_be_encoded(gateway: PhpClient) -> None:
    # when
    rows = gateway.send_bulk(TWELVE, devices=[1, 2])
    # then
    (group,) = {row["groupID"] for row in rows}
    assert re.fullmatch(r"\)\w{14}\*\w\$[0-9a-f]{13}\.\d+", group)
    assert len(group) <= 64
    assert ids(gateway.read(groupId=group)) == ids(rows)


def test_a_bulk_request_is_dealt_out_over_its_devices(gateway: PhpClient) -> None:
    # when
    rows = gateway.send_bulk(TWELVE, devices=[1, "2|0", "2|1"])
    # then
    assert sims(rows) == {(1, 0): 4, (2, 0): 4, (2, 1): 4}
    assert [(row["number"], row["message"]) for row in rows] == TWELVE
    assert ids(rows) == list(range(ids(rows)[0], ids(rows)[0] + 12))


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (0, {(1, 0): 12}),
        (1, {(1, 0): 6, (2, 0): 6}),
        (2, {(1, 0): 3, (1, 1): 3, (2, 0): 3, (2, 1): 3}),
    ],
)
def test_options_choose_all_devices_or_all_sims(
    gateway: PhpClient, option: int, expected: dict[tuple[int, int], int]
) -> None:
    assert sims(gateway.send_bulk(TWELVE, option=option)) == expected


def test_a_random_device_takes_the_whole_request(gateway: PhpClient) -> None:
    # when
    requests = [sims(gateway.send_bulk(TWELVE, option=2, use_random_device=True)) for _ in range(16)]
    # then
    assert all(list(request.values()) == [12] for request in requests)
    assert len({next(iter(request)) for request in requests}) > 1


def test_a_scheduled_message_waits_for_its_moment(gateway: PhpClient) -> None:
    # given
    schedule = int(time.time()) + 2
    # when
    (row,) = gateway.send_single("+447700900123", "Later", schedule=schedule)
    # then
    assert row["status"] == "Scheduled"
    delivered = until(lambda: _with_status(gateway, row, "Delivered"))
    assert datetime.fromisoformat(delivered["sentDate"]).timestamp() == schedule
    if "schedule" in row:
        assert datetime.fromisoformat(row["schedule"]).timestamp() == schedule


def test_a_contact_list_reaches_whoever_is_subscribed(gateway: PhpClient) -> None:
    # given
    before = [row["number"] for row in gateway.send_to_list(2, "News", devices=[1, 2])]
    # when
    gateway.contact(listID=2, number=before[0], unsubscribe=True)
    # then
    assert len(before) == 2
    assert [row["number"] for row in gateway.send_to_list(2, "News")] == before[1:]


def test_a_message_is_delivered_and_read_by_its_id(gateway: PhpClient, profile: Profile) -> None:
    # given
    (sent,) = gateway.send_single("+447700900123", "Hello")
    # when
    row = until(lambda: _with_status(gateway, sent, "Delivered"))
    # then
    assert ids([row]) == ids([sent])
    zone = r"\+02:00" if profile is Profile.STRINGS else r"\+0600"
    for name in ("sentDate", "deliveredDate"):
        assert re.fullmatch(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d{zone}", row[name])
        assert abs(datetime.fromisoformat(row[name]).timestamp() - time.time()) < 60
    if profile is Profile.INTS:
        assert (row["resultCode"], row["errorCode"], row["retries"]) == (-1, None, 0)


def test_a_status_is_read_in_a_window_of_time(gateway: PhpClient) -> None:
    # given
    (sent,) = gateway.send_single("+447700900123", "Hello")
    delivered = until(lambda: _with_status(gateway, sent, "Delivered"))
    second = int(datetime.fromisoformat(delivered["sentDate"]).timestamp())
    # when
    inside = found(gateway, status="Delivered", startTimestamp=second, endTimestamp=second)
    after = found(gateway, status="Delivered", startTimestamp=second + 1, endTimestamp=second + 100)
    before = found(gateway, status="Delivered", startTimestamp=second - 100, endTimestamp=second - 1)
    other = found(gateway, status="Failed", startTimestamp=second, endTimestamp=second)
    # then
    (message_id,) = ids([sent])
    assert message_id in ids(inside)
    assert message_id not in ids(after) + ids(before) + ids(other)


def test_reads_can_be_narrowed_to_a_device_and_a_sim(gateway: PhpClient) -> None:
    # given
    rows = gateway.send_bulk(TWELVE, option=2)
    group = rows[0]["groupID"]
    # when
    narrowed = gateway.read(groupId=group, deviceID=2, simSlot=1)
    # then
    assert sims(narrowed) == {(2, 1): 3}


def test_nothing_found_is_told_as_the_profile_does(gateway: PhpClient, profile: Profile) -> None:
    if profile is Profile.STRINGS:
        with pytest.raises(RefusedError, match="404"):
            gateway.read(id=999_999_999)
    else:
        assert gateway.read(id=999_999_999) == []


def test_a_group_with_a_capital_d_is_no_filter(gateway: PhpClient) -> None:
    # given
    (first,) = gateway.send_single("+447700900123", "Hello")
    (second,) = gateway.send_single("+447700900123", "Hello")
    # when
    rows = gateway.read(groupID=first["groupID"])
    # then
    assert set(ids([first, second])) <= set(ids(rows))


def test_a_contact_is_added_unsubscribed_and_subscribed_again(gateway: PhpClient) -> None:
    # when
    added = gateway.contact(listID=1, number=NOWHERE, name="Fay", resubscribe=True)
    gone = gateway.contact(listID=1, number=NOWHERE, unsubscribe=True)
    back = gateway.contact(listID=1, number=NOWHERE, name="", resubscribe=True)
    # then
    assert (added["number"], added["name"], added["subscribed"]) == (NOWHERE, "Fay", True)
    assert gone["subscribed"] is False
    assert back == added


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"listID": 1, "number": "+447700900101", "name": "Ada"}, "already exists"),
        ({"listID": 1, "number": "+447700900555", "unsubscribe": True}, "doesn't exist in"),
        ({"listID": 1, "number": "+447700900556", "unsubscribe": True}, "already unsubscribed"),
        ({"listID": 9, "number": "+447700900101", "name": "Ada"}, "list doesn't exist"),
        ({"listID": "", "number": "+447700900101"}, "Invalid request format"),
        ({"listID": 1, "number": ""}, "Invalid request format"),
    ],
)
def test_contacts_that_are_so_already_are_refused(
    gateway: PhpClient, fields: dict[str, str | int | bool], text: str
) -> None:
    # given
    if "already unsubscribed" in text:
        gateway.contact(listID=1, number=str(fields["number"]), resubscribe=True)
        gateway.contact(**fields)
    # when / then
    with pytest.raises(RefusedError, match=text):
        gateway.contact(**fields)


def test_the_balance_is_unlimited_unless_set(gateway: PhpClient) -> None:
    assert gateway.balance() is None


def test_a_request_that_lost_its_text_looks_like_a_question_for_the_balance(gateway: PhpClient) -> None:
    assert gateway.post("send", {"number": "+447700900123", "message": ""}) == {"credits": None}
    assert gateway.post("send", {"listID": 1, "devices": "[1]", "option": 0}) == {"credits": None}


def _with_status(gateway: PhpClient, row: Row, status: str) -> Row | None:
    (now,) = gateway.read(id=int(row["ID"]))
    return now if now["status"] == status else None
