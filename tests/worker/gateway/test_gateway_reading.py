"""A reply that is decoded as it arrives says the same as the complete one, and costs no more than it may hold."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import process_time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.codes import FAILURE, FailureCode
from tests.support.tcp_server import Connection, TcpServer
from tests.worker.gateway.gateway_cases import ANNA, BOB, KEY, caught, failure, row, success, wired
from worker.gateway import Message, MessageStatus, ReplyTooLong, ReplyUnreadable, SendOutcome
from worker.gateway.reading import (
    MAX_MESSAGES,
    MAX_REPLY_BYTES,
    MAX_VALUE,
    MAX_WALKED_BYTES,
    HttpReply,
    ReplyReader,
    reply_of,
)
from worker.gateway.wire import envelope_of, parse_json, parse_messages

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)

TOKENS = [
    '{"success": true, "data": {"messages": [', ']}, "error": null}', '{"ID": 7, "number": "+39"}', '{"ID": "8"}', ",",
    " ", "\n", "{", "}", "[", "]", ":", '"messages"', '"data"', '"success"', "true", "false", "null", "12", "-1.5e3",
    "NaN", "1e999", '"a\\"b"', '"\\ud83d"', '"Grüße 😀"', "\x00", "9" * 5_000, "[" * 2_000, '{"ID": {}}', "x",
    '{"success": true, "data": {"messages": [{"ID": 7}], "messages": 5, "credits": 3}, "data": {"messages": []}}',
    '{"ID":7},{"ID":8},', '{"ID":9}, {"ID":9}', '{"ID":1,"message":"},{"}', '{"ID":2,"x":[{"a":{}},{"b":2}]}', '"},{"',
]  # fmt: skip


def in_parts(body: bytes, *cuts: int, keep: Callable[[Message], bool] | None = None) -> HttpReply:
    reader = ReplyReader(keep=keep)
    edges = [0, *sorted(cuts), len(body)]
    for first, last in pairwise(edges):
        reader.feed(body[first:last])
    return reader.reply()


@given(
    tokens=st.lists(st.sampled_from(TOKENS), max_size=12),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"]),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_parts_say_what_the_whole_says(tokens: list[str], encoding: str, cuts: list[int]) -> None:
    body = "".join(tokens).encode(encoding, "surrogatepass")
    members = parse_json(body)
    expected = envelope_of(members) if isinstance(members, dict) else None
    reply = in_parts(body, *cuts)
    assert (reply.envelope is None) is (expected is None)
    assert (reply.bytes, reply.is_blank) == (len(body), not body.strip())
    if reply.envelope is not None and expected is not None:
        assert (reply.envelope.success, reply.envelope.code) == (expected.success, expected.code)
        assert reply.envelope.data.get("credits") == expected.data.get("credits")
        assert reply.messages == parse_messages(expected.data.get("messages"))


@pytest.mark.parametrize("between", [",", ", ", " , ", ",\n"])
@pytest.mark.parametrize(
    "hard",
    [
        {"message": '"},{"ID":9},{"x":"'},
        {"message": "},{" * 40_000},
        {"parts": [{"a": 1}, {"b": {"c": [{}]}}]},
        {"number": "9" * 4_000},
        {"message": "\ud83d"},
    ],
    ids=["braces", "long", "nested", "number", "half"],
)
def test_bulk_reads_what_one_by_one_reads(between: str, hard: dict[str, object]) -> None:
    rows = [row(id=place, **(hard if place % 7 == 3 else {})) for place in range(1, 40)]
    text = between.join(json.dumps(each, separators=(",", ":")) for each in rows)
    body = f'{{"success":true,"data":{{"messages":[{text}],"n":1}},"error":null}}'.encode()
    for every in (100, 5_000, len(body)):
        assert in_parts(body, *range(every, len(body), every)).messages == parse_messages(
            json.loads(body)["data"]["messages"]
        )


def test_a_reply_that_misleads_bulk_costs_no_more_than_one_by_one() -> None:
    # Each attempt fails at its end: one for each of 60,000 rows would read 256 KiB of them.
    took = {}
    for message in ("},{", "xxx"):
        text = ",".join([f'{{"ID":1,"message":"{message}"}}'] * 60_000)
        began = process_time()
        reply = reply_of(f'{{"success":true,"data":{{"messages":[{text}]}}}}'.encode(), max_messages=60_000)
        took[message] = process_time() - began
        assert len(reply.messages or ()) == 60_000
    assert took["},{"] < 50 * took["xxx"]  # 4 times as much; with 60,000 attempts it would be thousands


@pytest.mark.parametrize("every", [1, 2, 7, 100])
@pytest.mark.parametrize("indent", [None, 1])
def test_every_place_can_be_cut(every: int, indent: int | None) -> None:
    rows = [row(id=1, message='{"[,]} \\" 😀'), row(id=2, retries=12)]
    text = json.dumps({"error": None, "data": {"messages": rows, "n": 123}, "success": True}, indent=indent)
    body = text.encode()
    reply = in_parts(body, *range(every, len(body), every))
    assert reply.messages == parse_messages(rows)
    assert reply.envelope is not None
    assert reply.envelope.data["n"] == 123


@pytest.mark.parametrize("end", [1, 2, 20, 60])
def test_a_reply_that_is_cut_says_nothing(end: int) -> None:
    reply = reply_of(success(messages=[row(), row(id=8)]).content[:-end])
    assert (reply.envelope, reply.messages) == (None, None)


def test_a_row_that_is_none_leaves_no_list() -> None:
    reply = reply_of(success(messages=[row(), {"number": "+39"}, row(id=8)]).content)
    assert reply.envelope is not None
    assert reply.messages is None


def test_a_long_value_in_small_parts_is_scanned_a_few_times() -> None:
    # 1 MiB in 16 KiB parts: scanning again for each part would be 64 times as much
    body = success(messages=[row(message="x" * (MAX_VALUE - 1024))]).content
    assert len(in_parts(body, *range(16_384, len(body), 16_384)).messages or ()) == 1


HALF = "y" * (MAX_VALUE // 2)


@pytest.mark.parametrize("every", [1_021, 65_536, 2 * MAX_VALUE])
@pytest.mark.parametrize("keep", [None, lambda _: False], ids=["read", "walk"])
@pytest.mark.parametrize(
    ("start", "end", "counted"),
    [
        ('{"success":true,"data":{"messages":[{"ID":1,"x":"', '"}]}}', '{"ID":1,"x":""}'),
        ('{"success":true,"data":{"messages":[{"ID":1},"', '"]}}', '""'),
        ('{"success":true,"x":"', '"}', '"success"true"x"""'),
        ('{"success":true,"', '":5}', '"success"true""5'),
        ('{"success":true,"y":"' + HALF + '","z":["', '"]}', '"success"true"y""""z"[""]' + HALF),
        ('{"data":{"messages":[{"ID":1}],"x":["', '"]},"success":true}', '"data""messages""x"[""]"success"true'),
    ],
    ids=["a message", "a row that is none", "a member", "a key", "members together", "beside messages"],
)  # fmt: skip
def test_what_is_decoded_as_one_value_is_bounded(
    start: str, end: str, counted: str, keep: Callable[[Message], bool] | None, every: int
) -> None:
    def read(characters: int) -> HttpReply:
        body = (start + "x" * (characters - len(counted)) + end).encode()
        near = range(len(body) - 40, len(body))  # the last ones one by one
        return in_parts(body, *range(every, near[0], every), *near, keep=keep)

    assert read(MAX_VALUE).envelope is not None
    with pytest.raises(httpx.DecodingError, match="a part of more than 1,048,576 characters"):
        read(MAX_VALUE + 1)


def test_what_a_walk_keeps_is_bounded_and_what_it_passes_over_is_not() -> None:
    def rows(count: int, more: int = 0) -> bytes:
        start, end = '{"ID":1,"message":"', '"}'
        one = start + "x" * (MAX_VALUE - len(start + end)) + end
        last = ['{"ID":2}'] * more
        return ('{"success":true,"data":{"messages":[' + ",".join([one] * count + last) + "]}}").encode()

    assert len(in_parts(rows(8), keep=lambda _: True).messages or ()) == 8
    assert len(in_parts(rows(9, 1), keep=lambda message: message.id == 2).messages or ()) == 1
    with pytest.raises(httpx.DecodingError, match="messages of more than 8,388,608 characters"):
        in_parts(rows(8, 1), keep=lambda _: True)


@pytest.mark.parametrize(
    "body",
    [success(messages=[row(id=n) for n in range(1, 7)]).content, b'{"success":true,"data":{"messages":[' + b"5," * 9],
)
def test_more_messages_than_may_be_are_not_read(body: bytes) -> None:
    with pytest.raises(httpx.DecodingError):
        reply_of(body, max_messages=5)


def test_what_is_not_kept_is_passed_over_and_not_counted() -> None:
    body = success(messages=[row(id=n) for n in range(1, 101)]).content
    reader = ReplyReader(max_messages=5, keep=lambda message: message.id % 20 == 0)
    reader.feed(body)
    assert [message.id for message in reader.reply().messages or ()] == [20, 40, 60, 80, 100]

    # and a row that cannot be read is not mistaken for one that is not sought
    reader = ReplyReader(keep=lambda _: False)
    reader.feed(success(messages=[row(id=1), {"number": "+39"}]).content)
    assert reader.reply().messages is None


@pytest.mark.parametrize(("keep", "most"), [(None, MAX_REPLY_BYTES), (lambda _: False, MAX_WALKED_BYTES)])
def test_more_bytes_than_may_be_are_not_read(keep: Callable[[Message], bool] | None, most: int) -> None:
    reader = ReplyReader(keep=keep)
    for _ in range(most // 2**20):
        reader.feed(b" " * 2**20)
    with pytest.raises(httpx.DecodingError):
        reader.feed(b" ")
    assert not reader.broken().has_begun


def test_a_read_that_shows_too_much_is_asked_once_and_told_apart() -> None:
    many = success(messages=[{"ID": id_} for id_ in range(1, MAX_MESSAGES + 2)])
    with wired(many) as wire:
        error = caught(lambda: wire.client.read_status(MessageStatus.SENT, NOON, NOON + timedelta(hours=1)))
    assert type(error) is ReplyTooLong
    assert str(error) == "The gateway returned too much in one reply (more than 20,000 messages)."
    assert error.evidence[FAILURE] == FailureCode.REPLY_TOO_LONG


def test_endless_noise_is_no_list_that_a_shorter_time_would_shorten() -> None:
    with wired(*[httpx.Response(200, content=b"x" * (MAX_REPLY_BYTES + 1))] * 5) as wire:
        assert type(caught(lambda: wire.client.read_group("g"))) is ReplyUnreadable


def test_an_error_of_the_gateway_is_read_as_far_as_any_value() -> None:
    with wired(failure(404, "x" * (MAX_VALUE - 1024))) as wire:
        assert wire.client.read_group("g") == ()


def test_a_send_is_answered_by_about_as_many_messages_as_it_has() -> None:
    rows = [row(id=id_, number=ANNA.number) for id_ in range(1, 100)]
    with wired(success(messages=rows)) as wire:
        error = caught(lambda: wire.client.send_bulk([ANNA, BOB]))
    assert type(error) is ReplyTooLong
    assert error.outcome is SendOutcome.UNKNOWN


MEASURE = """
import resource, sys
from datetime import UTC, datetime
from pydantic import SecretStr
from campaigns.clock import SystemClock
from worker.gateway import GatewayClient, GatewayError, MessageStatus, OutgoingMessage
client = GatewayClient(sys.argv[1], SecretStr(sys.argv[2]), clock=SystemClock())
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
try:
    if sys.argv[3] == "send":
        client.send_bulk([OutgoingMessage("+393331234567", "Hi")])
    else:
        keep = (lambda _: False) if sys.argv[3] == "walk" else None
        client.read_status(MessageStatus.SENT, datetime.now(UTC), datetime.now(UTC), keep=keep)
except GatewayError as error:
    print(type(error).__name__, (peak() - before) // 1024)
else:
    print("read", (peak() - before) // 1024)
"""

SHORTEST = b'{"ID":1},'
USUAL = json.dumps(row(message="Hi Anna, our spring sale starts today. Reply STOP to opt out.")).encode() + b","


@pytest.mark.parametrize(
    ("what", "within", "one", "count", "outcome", "most_mib"),
    [
        ("send", b"%b", SHORTEST, 900_000, "ReplyTooLong", 8),  # M10: 363 MB and 6 s
        ("read", b"%b", SHORTEST, 900_000, "ReplyTooLong", 24),
        ("read", b"%b", USUAL, 19_999, "read", 40),
        ("read", b'{"ID":1,"x":[%b]}', SHORTEST, 900_000, "ReplyTooLong", 40),  # 180 MB, and 480 of 20 MB in a walk
        ("walk", b'{"ID":1}],"x":[%b', SHORTEST, 900_000, "ReplyTooLong", 40),
    ],
)
def test_a_large_reply_takes_some_megabytes(
    what: str, within: bytes, one: bytes, count: int, outcome: str, most_mib: int
) -> None:
    rows = within % (one * count + one[:-1])
    body = b'{"success":true,"data":{"messages":[' + rows + b']},"error":null}'
    assert len(body) < MAX_REPLY_BYTES

    def answer(connection: Connection) -> None:
        connection.read_request()
        with suppress(ConnectionError):  # a client that has seen enough hangs up
            connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with TcpServer(answer) as server:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, server.url, KEY, what],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, mib = done.stdout.split()
    assert said == outcome
    assert int(mib) <= most_mib
