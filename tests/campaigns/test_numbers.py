"""Numbers as people and spreadsheets write them; the fast path is held against the library itself."""

from contextlib import suppress

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat

from campaigns.numbers import InvalidNumber, Normaliser, lost_digits, mask, phone_key, same_phone

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


@pytest.mark.parametrize(
    ("text", "is_lost"),
    [
        ("3.93331E+11", True),
        ("3,93331e11", True),
        ("4E+11", True),
        ("393331000000", True),
        ("393331000000.0", True),
        ("3.93331234567E+11", False),
        ("393331234567", False),
        ("393331234567.0", False),
        ("3331000000", False),
        ("0.2", False),
        ("Anna", False),
    ],
)
def test_digits_that_a_spreadsheet_lost(text: str, is_lost: bool) -> None:
    assert lost_digits(text) == is_lost


@pytest.mark.parametrize(
    ("sender", "region", "number"),
    [
        ("+5215512345602", None, "+525512345602"),
        ("5215512345602", "IT", "+525512345602"),
        ("5512345602", "MX", "+525512345602"),
        ("+525512345602", None, "+5215512345602"),
        ("3331234567", "IT", ANNA),
        ("3331234567", None, ANNA),
        ("0039 333 1234567", None, ANNA),
        ("393331234567", "US", ANNA),
        ("+541123456789", None, "+5491123456789"),
        ("01123456789", "AR", "+5491123456789"),
        ("+5491123456789", None, "+541123456789"),
        ("11961234567", "BR", "+551161234567"),
        ("+5511961234567", None, "+551161234567"),
    ],
)
def test_the_phone_of_a_sender_is_among_those_that_it_may_be(sender: str, region: str | None, number: str) -> None:
    assert number in same_phone(sender, region)
    assert phone_key(number) in {phone_key(found) for found in same_phone(sender, region)}


@pytest.mark.parametrize(
    ("sender", "region"), [("Vodafone", "IT"), ("", None), ("40404", None), ("+999123456789", None), ("*123#", "IT")]
)
def test_a_sender_that_is_no_phone_is_nobody(sender: str, region: str | None) -> None:
    assert same_phone(sender, region) == ()


def test_one_phone_has_one_key_and_two_phones_have_two() -> None:
    assert phone_key("+5491123456789") == phone_key("+541123456789")
    assert phone_key("+5511961234567") == phone_key("+551161234567")
    assert phone_key("+5511921234567") != phone_key("+551121234567")  # a mobile since the ninth digit, and a landline
    assert [phone_key(number) for number in (ANNA, "Vodafone", "")] == [ANNA, "Vodafone", ""]
