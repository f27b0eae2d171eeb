"""What phones report: every code has a description and advice, and only some prove that nothing was sent."""

import pytest

from campaigns.following.results import OK, PROVEN_NOT_SENT, RESULTS, result_advice, result_words


@pytest.mark.parametrize(("code", "words"), [(None, ""), (-1, "ok"), (4, "the phone has no service"), (77, "code 77")])
def test_result_codes_have_words(code: int | None, words: str) -> None:
    assert words in result_words(code)


@pytest.mark.parametrize("code", sorted(RESULTS))
def test_every_known_code_says_what_happened_and_what_to_do(code: int) -> None:
    assert RESULTS[code].words
    assert result_advice(code) == RESULTS[code].advice != ""


@pytest.mark.parametrize(
    ("code", "is_proof"),
    [
        (2, True),  # the radio was off: nothing left the phone
        (4, True),  # no network
        (5, True),  # Android itself refused
        (10, True),  # the network refused
        (120, True),  # no SIM
        (1, False),  # everything that Android does not distinguish
        (17, False),  # the network broke down, perhaps after it had the text
        (23, False),
        (OK, False),
    ],
)
def test_a_code_is_a_proof_only_where_its_reason_is_known(code: int, is_proof: bool) -> None:
    assert (code in PROVEN_NOT_SENT) == is_proof


@pytest.mark.parametrize("code", [None, 77, -3, 10**12])
def test_what_nobody_knows_proves_nothing_and_still_has_advice(code: int | None) -> None:
    assert code not in PROVEN_NOT_SENT
    assert "before it is sent again" in result_advice(code)
