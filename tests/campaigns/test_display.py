"""How things are shown to people."""

import pytest

from campaigns.display import phone_words, target_words


@pytest.mark.parametrize(
    ("target", "words"),
    [("2", "phone 2"), ("2|0", "phone 2 (SIM slot 0)"), ("1,2|1", "phone 1, phone 2 (SIM slot 1)")],
)
def test_a_phone_has_one_spelling(target: str, words: str) -> None:
    assert target_words(target) == words


def test_a_phone_of_a_row_is_spelt_as_that_of_a_request() -> None:
    assert (phone_words(2), phone_words(2, 0)) == (target_words("2"), target_words("2|0"))
