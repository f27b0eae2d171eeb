"""The classifier is total, and knows every exception of httpx."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.gateway.gateway_cases import ANNA, row, success
from worker.gateway import ConnectFailed, GatewayError, ReplyLost, SendOutcome
from worker.gateway.classify import classify, missing_numbers
from worker.gateway.reading import reply_of
from worker.gateway.seen import EXCEPTIONS, LEARNABLE, Seen, error_fingerprint
from worker.gateway.wire import parse_messages


def leaves(kind: type[Exception]) -> set[type[Exception]]:
    """The exceptions below `kind` that libraries raise as such: those without further subclasses."""
    below = [sub for sub in kind.__subclasses__() if sub.__module__.partition(".")[0] == "httpx"]
    return set().union(*(leaves(sub) for sub in below)) if below else {kind}


def httpx_exceptions() -> set[type[Exception]]:
    exported = [getattr(httpx, name) for name in httpx.__all__]
    return {kind for kind in exported if isinstance(kind, type) and issubclass(kind, Exception)}


def subclasses(kind: type[GatewayError]) -> set[type[GatewayError]]:
    return {kind}.union(*(subclasses(sub) for sub in kind.__subclasses__()))


def test_the_table_has_every_exception_of_httpx_and_no_other() -> None:
    raised = {leaf for kind in httpx_exceptions() for leaf in leaves(kind)}
    assert set(EXCEPTIONS) == raised


def test_not_sent_is_said_of_connecting_alone() -> None:
    proofs = {kind for kind, error in EXCEPTIONS.items() if error.outcome is SendOutcome.NOT_SENT}
    assert proofs == {httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout}


@pytest.mark.parametrize("kind", sorted(httpx_exceptions(), key=str))
def test_no_exception_is_a_proof_once_a_byte_was_written(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    assert classify(Seen(error=error, bytes_written=1, is_send=True)).outcome is SendOutcome.UNKNOWN


def test_what_is_in_no_table_is_unknown() -> None:
    assert classify(Seen(error=RuntimeError(), is_send=True)).error is ReplyLost
    assert classify(Seen(error=httpx.ConnectError("x"))).error is ConnectFailed


def test_only_texts_that_refuse_can_be_learned() -> None:
    assert {error.outcome for error in LEARNABLE.values()} == set(LEARNABLE)
    assert not {SendOutcome.ACCEPTED, SendOutcome.NOT_SENT} & set(LEARNABLE)


def test_unknown_and_nothing_else_may_have_arrived() -> None:
    for kind in subclasses(GatewayError):
        assert kind("why").may_have_arrived is (kind.outcome is SendOutcome.UNKNOWN)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["success", "data", "error", "code", "message", "messages", "ID", "number"]), inner
        )
    ),
    max_leaves=20,
)


@given(status=st.integers(100, 599), body=st.binary(max_size=200), is_send=st.booleans())
def test_any_bytes_get_a_verdict_and_noise_is_never_acceptance(status: int, body: bytes, is_send: bool) -> None:
    verdict = classify(Seen(status=status, reply=reply_of(body), is_send=is_send))
    assert verdict.outcome is not SendOutcome.ACCEPTED
    assert verdict.sentence


@given(data=json_values, error=json_values, ok=st.booleans())
def test_any_json_gets_a_verdict(data: object, error: object, ok: bool) -> None:
    # allow_nan and half surrogates on purpose: json.dumps writes them, and a server might, too

    body = json.dumps({"success": ok, "data": data, "error": error}).encode()
    verdict = classify(Seen(status=200, reply=reply_of(body), is_send=True, sent=[ANNA.number]))
    assert verdict.outcome is not SendOutcome.NOT_SENT


@given(st.integers(500, 599))
def test_a_5xx_is_always_unknown(status: int) -> None:
    body = success(messages=[row()]).content
    assert (
        classify(Seen(status=status, reply=reply_of(body), is_send=True, sent=[ANNA.number])).outcome
        is SendOutcome.UNKNOWN
    )


numbers = st.integers(10**9, 10**9 + 8).map(lambda digits: f"+{digits}")


@given(sent=st.lists(numbers, min_size=1), reported=st.lists(numbers, min_size=1), data=st.data())
def test_accepted_is_exactly_a_part_of_what_was_sent(sent: list[str], reported: list[str], data: st.DataObject) -> None:
    spelt = [number[1:] if data.draw(st.booleans()) else number for number in reported]
    body = success(messages=[row(id=id, number=number) for id, number in enumerate(spelt, start=1)]).content
    seen = Seen(status=200, reply=reply_of(body), is_send=True, sent=sent)
    is_part = all(reported.count(number) <= sent.count(number) for number in reported)
    assert (classify(seen).outcome is SendOutcome.ACCEPTED) is is_part
    if is_part:
        missing = missing_numbers(seen.messages or (), sent)
        assert sorted([*missing, *reported]) == sorted(sent)


def test_a_fingerprint_forgets_case_spaces_and_digits() -> None:
    one = error_fingerprint(500, "No SIM  in slot 1")
    assert one == error_fingerprint(500, "no sim in slot 22 ")
    assert one != error_fingerprint(501, "No SIM in slot 1")
    assert len(one) == 12


def test_rows_out_of_order_keep_their_ids() -> None:
    messages = parse_messages([row(id=2, number="+2"), row(id=1, number="+1")])
    assert messages is not None
    assert missing_numbers(messages, ["+1", "+3", "+2", "+1"]) == ("+3", "+1")
