"""The matcher of requests whose reply was lost: whose messages are they?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.protocol.matching import Candidate, Match, Sought, is_similar, match, same_number

FLOOR = 100
ANNA, BEA, CARL = "+393331000001", "+393331000002", "+393331000003"
TEXTS = {ANNA: "Hi Anna", BEA: "Hi Bea", CARL: "Hi Carl"}
SOUGHT = Sought(FLOOR, {number: (place, TEXTS[number]) for place, number in enumerate(TEXTS, start=1)})


def stored(gateway_id: int, number: str, *, text: str | None = None, group: str | None = "g1") -> Candidate:
    return Candidate(gateway_id, number, TEXTS.get(number, "Hi") if text is None else text, group)


def found_ids(result: Match) -> dict[int, int]:
    return {recipient_id: candidate.gateway_id for recipient_id, candidate in result.found.items()}


def test_a_whole_group_is_found_in_any_order_and_spelling() -> None:
    shown = [stored(103, CARL), stored(101, ANNA.lstrip("+")), stored(102, BEA)]

    result = match(SOUGHT, shown, attributed=())

    assert found_ids(result) == {1: 101, 2: 102, 3: 103}
    assert result.doubled == ()


def test_a_part_of_the_request_is_found_too() -> None:
    assert found_ids(match(SOUGHT, [stored(101, BEA)], attributed=())) == {2: 101}


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (stored(FLOOR, ANNA), "it was there before the request"),
        (stored(120, ANNA), "it belongs to somebody already"),
        (stored(121, "+393339999999"), "its number was not in the request"),
    ],
)
def test_what_is_not_ours_is_not_found(candidate: Candidate, why: str) -> None:
    assert match(SOUGHT, [candidate], attributed={120}) == Match({}), why


STRANGER = "+393339999999"


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ([stored(101, ANNA, text="Your parcel is here")], "another text, or one that the server rewrote"),
        ([stored(101, ANNA, text="")], "its text is not known"),
        ([stored(101, ANNA), stored(102, STRANGER, text=TEXTS[ANNA])], "the same text from elsewhere, or added rows"),
    ],
)
def test_what_may_be_ours_proves_nothing_and_is_not_sent_again(shown: list[Candidate], why: str) -> None:
    assert match(SOUGHT, shown, attributed=()) == Match({}, unclear=frozenset({1})), why


def test_the_same_people_among_strangers_with_another_text_is_somebody_elses_request() -> None:
    shown = [stored(101, ANNA, text="Your parcel is here"), stored(102, STRANGER)]

    assert match(SOUGHT, shown, attributed=()) == Match({})


def test_a_server_may_add_rows_to_a_request() -> None:
    shown = [stored(101 + place, number) for place, number in enumerate([*TEXTS, STRANGER])]

    assert found_ids(match(SOUGHT, shown, attributed=())) == {1: 101, 2: 102, 3: 103}


def test_a_server_may_rewrite_every_text_of_a_request() -> None:
    shown = [stored(101 + place, number, text="S.") for place, number in enumerate(TEXTS)]

    assert found_ids(match(SOUGHT, shown, attributed=())) == {1: 101, 2: 102, 3: 103}


def test_nobody_is_both_found_and_unclear() -> None:
    # given a group with another text to Anna, and one that is hers
    shown = [stored(101, ANNA, text="Your parcel is here"), stored(102, ANNA, group="g2")]

    result = match(SOUGHT, shown, attributed=())

    assert found_ids(result) == {1: 102}
    assert result.unclear == frozenset()


def test_messages_without_a_group_are_judged_one_by_one() -> None:
    shown = [stored(101, ANNA, group=None), stored(102, "+393339999999", group=None)]

    assert found_ids(match(SOUGHT, shown, attributed=())) == {1: 101}


def test_several_devices_may_give_a_request_several_groups() -> None:
    shown = [stored(101, ANNA, group="g1"), stored(102, BEA, group="g2"), stored(103, CARL, group="g2")]

    assert found_ids(match(SOUGHT, shown, attributed=())) == {1: 101, 2: 102, 3: 103}


def test_a_second_copy_is_reported_and_the_first_one_counts() -> None:
    shown = [stored(104, ANNA, group="g2"), stored(101, ANNA), stored(102, BEA)]

    result = match(SOUGHT, shown, attributed=())

    assert found_ids(result) == {1: 101, 2: 102}
    assert [candidate.gateway_id for candidate in result.doubled] == [104]


@pytest.mark.parametrize(
    ("kept", "sent", "is_same"),
    [
        ("Hi Anna", "Hi Anna", True),
        ("  Hi\nAnna ", "Hi Anna", True),
        ("Hi Anna -- sent with Acme", "Hi Anna", True),
        ("Hi Anna--sent with Acme", "Hi Anna", True),
        ("你好来自商店", "你好", True),
        ("Hi Ann", "Hi Anna", False),
        ("Yesterday", "Yes", False),
        ("Goodbyes", "byes", False),
        ("Your code is 1234", "Your code is 12", False),
        ("Anna Hi", "Hi Anna", False),
        ("", "Hi Anna", False),
    ],
)
def test_a_server_may_fold_space_and_add_a_footer_and_whole_words_are_compared(
    kept: str, sent: str, is_same: bool
) -> None:
    assert is_similar(kept, sent) is is_same


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.integers(FLOOR - 5, FLOOR + 20),
        st.sampled_from([*TEXTS, "+393339999999"]),
        st.sampled_from([*TEXTS.values(), "other"]),
        st.sampled_from([None, "g1", "g2", "g3"]),
    ),
    max_size=10,
    unique_by=lambda candidate: candidate.gateway_id,
)


@given(CANDIDATES, st.sets(st.integers(FLOOR, FLOOR + 20)))
def test_the_match_depends_on_what_is_shown_and_not_on_its_order(shown: list[Candidate], attributed: set[int]) -> None:
    result = match(SOUGHT, shown, attributed=attributed)

    shuffled = sorted(shown, key=lambda candidate: (candidate.gateway_id * 7_919) % 23)
    assert match(SOUGHT, [*shuffled, *shown], attributed=attributed) == result
    # and nobody is assigned a message that is old, foreign or somebody else's
    for recipient_id, candidate in result.found.items():
        assert candidate.gateway_id > FLOOR
        assert candidate.gateway_id not in attributed
        assert SOUGHT.recipients[candidate.number][0] == recipient_id
    # and without a person's decision, nobody with a message of their own text above the floor may be sent to again
    texts = {entry[0]: (number, entry[1]) for number, entry in SOUGHT.recipients.items()}
    theirs = [c for c in shown if c.gateway_id > FLOOR and c.gateway_id not in attributed]
    for recipient_id, (number, text) in texts.items():
        if any(c.number == number and c.text == text for c in theirs):
            assert recipient_id in result.found or recipient_id in result.unclear


def test_a_group_with_strangers_and_other_texts_is_unclear_however_many_of_ours_it_has() -> None:
    people = {f"+3933310000{n:02}": (n, "Hi") for n in range(1, 5)}
    group = [Candidate(100 + n, number, "Something else", "g") for n, number in enumerate(people)]
    stranger = Candidate(200, "+393339999999", "Something else", "g")

    found = match(Sought(50, people), [*group, stranger], attributed=())

    assert found.found == {}
    assert found.unclear == {1, 2, 3, 4}


def test_numbers_alone_prove_nothing_in_a_look_that_was_cut_short() -> None:
    people = {f"+3933310000{n:02}": (n, "Hi") for n in range(1, 5)}
    group = [Candidate(100 + n, number, "Rewritten", "g") for n, number in enumerate(people)]

    whole = match(Sought(50, people), group, attributed=())
    cut_short = match(Sought(50, people), group, attributed=(), is_whole=False)

    assert set(whole.found) == {1, 2, 3, 4}
    assert cut_short == Match({}, unclear=frozenset({1, 2, 3, 4}))


def test_a_cut_look_at_a_strangers_group_may_show_just_the_people_of_ours() -> None:
    # given what another tool sent to our people and to one more, who is shown by the read that failed
    group = [stored(101 + place, number, text="Another text") for place, number in enumerate(TEXTS)]
    stranger = stored(200, STRANGER, text="Another text")

    whole = match(SOUGHT, [*group, stranger], attributed=())
    cut_short = match(SOUGHT, group, attributed=(), is_whole=False)

    # then neither look assigns these messages to our people, and none of them is sent to again without a person
    assert whole == cut_short == Match({}, unclear=frozenset({1, 2, 3}))


@pytest.mark.parametrize("is_whole", [True, False])
def test_numbers_with_their_texts_prove_it_in_every_look(is_whole: bool) -> None:
    shown = [stored(101, ANNA), stored(102, BEA)]

    assert found_ids(match(SOUGHT, shown, attributed=(), is_whole=is_whole)) == {1: 101, 2: 102}


@pytest.mark.parametrize("spelling", ["+393331234567", "393331234567", "00393331234567", "+39 333 123-4567"])
def test_numbers_are_one_whatever_their_spelling(spelling: str) -> None:
    assert same_number(spelling) == "393331234567"
