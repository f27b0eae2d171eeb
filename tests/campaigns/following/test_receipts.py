"""The order of receipts."""

from hypothesis import given
from hypothesis import strategies as st

from campaigns.following.receipts import DELIVERED_WORTH, RANKS, worth
from campaigns.lifecycle import RECIPIENT_MOVES, RecipientState

STATES = st.sampled_from(sorted(RANKS))
SHOWN = sorted(set(RANKS) - {RecipientState.EXPIRED})  # what a gateway can show; expiring is our own
RETRIES = st.integers(0, 3)
RECEIPT = st.tuples(STATES, RETRIES)


@given(RECEIPT, RECEIPT)
def test_two_receipts_are_worth_the_same_only_if_they_say_the_same(
    one: tuple[RecipientState, int], other: tuple[RecipientState, int]
) -> None:
    if RecipientState.DELIVERED not in {one[0], other[0]}:
        assert (worth(*one) == worth(*other)) == (one == other)


@given(RETRIES, RECEIPT)
def test_nothing_outweighs_delivered(retries: int, other: tuple[RecipientState, int]) -> None:
    assert worth(RecipientState.DELIVERED, retries) == DELIVERED_WORTH >= worth(*other)


@given(RECEIPT, STATES)
def test_one_retry_of_the_gateway_outweighs_every_state_but_delivered(
    before: tuple[RecipientState, int], after: RecipientState
) -> None:
    state, retries = before
    if state is not RecipientState.DELIVERED:
        assert worth(after, retries + 1) > worth(state, retries)


def test_absurd_retries_stay_between_nothing_and_delivered() -> None:
    assert worth(RecipientState.FAILED, 10**18) < DELIVERED_WORTH
    assert worth(RecipientState.SENT, -1) == worth(RecipientState.SENT, 0)


def test_messages_go_up_in_the_order_of_their_life() -> None:
    life = [RecipientState.ACCEPTED, RecipientState.SENT, RecipientState.FAILED, RecipientState.DELIVERED]
    assert [worth(state, 0) for state in life] == sorted(worth(state, 0) for state in life)


def test_the_life_cycle_lets_every_larger_receipt_stand() -> None:
    # Merging may take a maximum only if no move to a larger value is forbidden: otherwise the result would depend on
    # the order in which receipts come.
    for state in RANKS:
        for shown in SHOWN:
            if state is not RecipientState.DELIVERED:
                assert shown in RECIPIENT_MOVES[state], f"{state} -> {shown}"
