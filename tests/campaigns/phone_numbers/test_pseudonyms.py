"""The hash that stands in place of a number."""

from campaigns.phone_numbers.masking import mask
from campaigns.phone_numbers.pseudonyms import check_of, is_pseudonym, pseudonym

KEY = b"k" * 64


def test_a_number_has_one_name_for_each_key() -> None:
    names = {pseudonym(key, number) for key in (KEY, b"other" * 20) for number in ("+393331234567", "+393331234568")}
    assert len(names) == 4
    assert all(is_pseudonym(name) and len(name) == 23 for name in names)
    assert pseudonym(KEY, "+393331234567") == pseudonym(KEY, "+393331234567")


def test_cells_of_tables_are_no_pseudonyms() -> None:
    assert not any(map(is_pseudonym, ("", "#N/A", "#REF!", "+393331234567", "#" + "a" * 21, "#" + "a" * 23)))


def test_a_pseudonym_is_shown_as_it_is() -> None:
    name = pseudonym(KEY, "+393331234567")
    assert mask(name) == name


def test_the_check_value_tells_keys_apart_and_is_none_of_their_hashes() -> None:
    assert check_of(KEY) != check_of(b"other" * 20)
    assert check_of(KEY)[:8] not in pseudonym(KEY, "")
