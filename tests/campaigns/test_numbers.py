"""Numbers as people and spreadsheets write them; the fast path is held against the library itself."""

from contextlib import suppress

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat

from campaigns.numbers import InvalidNumber, Normaliser, mask

ANNA = "+393331234567"
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize(
    "raw",
    [
        "+393331234567",
        "+39 333 123 4567",
        "+39-333.123-4567",
        "+39 (333) 1234567",
        "0039 333 1234567",
        "tel:+39-333-1234567",
        "TEL:+393331234567",
        " 333/1234567\n",
        "3331234567",
        "393331234567",
        "393331234567.0",
        "'+393331234567",
        "\u202a+39 333 1234567\u202c",
        "+39\u00a0333\u00a01234567",
        "+39\u2011333\u20111234567",
        "\ufeff+393331234567\u200b",
        "\uff0b\uff13\uff19 \uff13\uff13\uff13 \uff11\uff12\uff13 \uff14\uff15\uff16\uff17",
        "\u0663\u0663\u0663\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
    ],
)
def test_one_number_in_many_hands(raw: str) -> None:
    assert Normaliser("IT").normalise(raw) == ANNA


@pytest.mark.parametrize(
    ("raw", "region", "number"),
    [
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("(201) 555-0123", "US", "+12015550123"),
        ("1-204-234-5678", "CA", "+12042345678"),
        ("011 39 333 1234567", "US", ANNA),
        ("06 1234 5678", "IT", "+390612345678"),
        ("+7 701 234 56 78", None, "+77012345678"),
    ],
)
def test_numbers_of_several_countries(raw: str, region: str | None, number: str) -> None:
    assert Normaliser(region).normalise(raw) == number


@pytest.mark.parametrize(
    ("raw", "region", "reason"),
    [
        ("", "IT", "empty"),
        (" - ", "IT", "empty"),
        ("\u200b", "IT", "empty"),
        ("333 1234567", None, "has no country code and no default_region is set"),
        ("+999 123456", "IT", "has a country code that does not exist"),
        ("333", "IT", "too short for Italy"),
        ("+39333", None, "too short for Italy"),
        ("1", "IT", "too short"),
        ("33312345678901", "IT", "too long for Italy"),
        ("1" * 40, "IT", "too long"),
        ("call Anna", "IT", "contains letters"),
        ("1-800-FLOWERS", "US", "contains letters"),
        ("333 1234567 ext 5", "IT", "contains letters"),
        ("333*1234567", "IT", "contains '*'"),
        ("39+3331234567", "IT", "has a + that does not stand before the digits"),
        ("+", "IT", "has a + that does not stand before the digits"),
        ("3.93E+11", "IT", "Excel turned it into 3.93E+11: format the column as text"),
        ("3,93e+11", "IT", "Excel turned it into 3,93e+11: format the column as text"),
        ("3.93331234567E+11", "IT", "Excel turned it into 3.93…: format the column as text"),
        ("+49 1234 0", None, "no such number in Germany"),
    ],
)
def test_what_is_no_number_and_why(raw: str, region: str | None, reason: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        Normaliser(region).normalise(raw)

    assert caught.value.reason == reason


@st.composite
def likely_numbers(draw: st.DrawFn) -> tuple[str, str | None]:
    """Numbers near a region's examples, in the forms that occur, and a default region that may be another one."""
    region = draw(st.sampled_from(REGIONS))
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    kinds = [metadata.mobile, metadata.fixed_line, metadata.voip, metadata.toll_free]
    examples = [kind.example_number for kind in kinds if kind and kind.example_number]
    digits = list(draw(st.sampled_from(examples)))
    for place in draw(st.lists(st.integers(0, len(digits) - 1), max_size=6)):
        digits[place] = draw(st.sampled_from("0123456789"))
    end = draw(st.sampled_from(["", "", "", "0", "7", "12"]))
    national = "".join(digits) + end
    prefix, code = metadata.national_prefix or "", metadata.country_code
    form = draw(st.sampled_from(["+{code}{national}", "{national}", "{code}{national}", "{prefix}{national}",
                                 "+{code}{prefix}{national}"]))  # fmt: skip
    raw = form.format(code=code, national=national, prefix=prefix)
    return raw, draw(st.sampled_from([region, region, None, draw(st.sampled_from(REGIONS))]))


def by_the_library(raw: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(raw, region)
    except NumberParseException:
        return None
    is_usable = phonenumbers.is_possible_number(number) and phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if is_usable else None


@settings(max_examples=1500)
@given(likely_numbers())
def test_every_number_is_what_the_library_makes_of_it(number: tuple[str, str | None]) -> None:
    raw, region = number
    try:
        found: str | None = Normaliser(region).normalise(raw)
    except InvalidNumber:
        found = None

    # A leading 00 is read as a plus in every country, which the library does only where people dial it.
    assert found == by_the_library("+" + raw[2:] if raw.startswith("00") else raw, region)


@given(st.text(), st.sampled_from(["IT", "US", None]))
def test_any_text_is_a_number_or_an_invalid_one(raw: str, region: str | None) -> None:
    with suppress(InvalidNumber):
        number = Normaliser(region).normalise(raw)

        assert Normaliser(None).normalise(number) == number


@pytest.mark.parametrize(("number", "masked"), [(ANNA, "+39…67"), ("+3933", "…"), ("", "…")])
def test_logs_show_the_ends_of_a_number(number: str, masked: str) -> None:
    assert mask(number) == masked
