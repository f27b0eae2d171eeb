"""Numbers as people and spreadsheets write them; the fast path is compared with the library itself."""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, PhoneNumberType, ValidationResult

from campaigns.phone_numbers.masking import mask
from campaigns.phone_numbers.numbers import InvalidNumber, Normaliser, NumberKind, lost_digits, same_phone
from campaigns.phone_numbers.spellings import phone_key

ANNA = "+393331234567"
AMBIGUOUS = "can be read as two numbers: write it with + and the country code"
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
        "3331234567.00",
        "3331234567,0",
        "+39[333]1234567",
        "+39~333~1234567",
        "333\u22121234567",
        "333\u30fc1234567",
        "333\uff701234567",
        "333\u30141234\u2053567\u3015",
        "333\u00b7123\u00b7456\u00b77",
        "3\ufe0f\u20e333 1234567",
        "\u201c+39 333 1234567\u201d",
        "333\u20281234567",
        '="3331234567"',
        '="+393331234567"',
        "whatsapp:+393331234567",
        "p:+393331234567",
        "Mobile: 333 1234567",
        "sms:+393331234567",
        "https://wa.me/393331234567",
        "wa.me/+393331234567?text=Hi",
        "https://api.whatsapp.com/send?phone=393331234567&text=Hi",
        "393331234567@s.whatsapp.net",
        "+39 333 1234567;",
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
        ("0011 95 9 212 3456", "AU", "+9592123456"),
        ("0011 354 611 1234", "AU", "+3546111234"),
        ("0011 44 7400 123456", "AU", "+447400123456"),
        ("010 39 333 1234567", "JP", ANNA),
        ("8~10 39 333 1234567", "RU", ANNA),
        ("00 15 39 333 1234567", "BR", ANNA),
        ("0039 333 1234567", "US", ANNA),
        ("011 1 201 555 0123", "GU", "+12015550123"),
        ("0 15 11 96123-4567", "BR", "+5511961234567"),
        ("090\u30fc1234\u30fc5678", "JP", "+819012345678"),
        ("090\u22121234\u22125679", "JP", "+819012345679"),
        ("+52 1 55 1234 5602", None, "+525512345602"),
        ("5215512345602", "MX", "+525512345602"),
        ("044 55 1234 5602", "MX", "+525512345602"),
        ("01 55 1234 5602", "MX", "+525512345602"),
        ("0 11 15 2345 6789", "AR", "+5491123456789"),
        ("+55 11 8123 4567", None, "+5511981234567"),
        ("(11) 8123-4567", "BR", "+5511981234567"),
        ("+55 11 2123 4567", None, "+551121234567"),
        ("+229 95 12 34 56", None, "+2290195123456"),
        ("0475/12/34/56", "BE", "+32475123456"),
        ("https://wa.me/12015550123", "IT", "+12015550123"),
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
        ("39+3331234567", "IT", "has a + that is not before the digits"),
        ("+", "IT", "has a + that is not before the digits"),
        ("3.93E+11", "IT", "Excel turned it into 3.93E+11 and digits are lost: format the column as text"),
        ("3,93e+11", "IT", "Excel turned it into 3,93e+11 and digits are lost: format the column as text"),
        ("3.93331234567E+11", "IT", "Excel turned it into 3.93…: format the column as text"),
        ("393331000000.0", "IT", "Excel turned it into 3933… and digits are lost: format the column as text"),
        ("+49 1234 0", None, "no such number in Germany"),
        ("089 1234567/8", "DE", "contains more than one number"),
        ("333-1234568/8", "IT", "contains more than one number"),
        ("06 12345678\n333 1234567", "IT", "contains more than one number"),
        ("333 1234567\u00b2", "IT", "contains '\u00b2'"),
        ("0011 95 9 212 3456", None, AMBIGUOUS),
        ("0055 33 96123-4567", "BR", AMBIGUOUS),  # through carrier 55 to France, or at home
        ("4915123456789", "DE", AMBIGUOUS),  # a mobile without its plus, or a landline without its 0
    ],
)
def test_what_is_no_number_and_why(raw: str, region: str | None, reason: str) -> None:
    with pytest.raises(InvalidNumber) as caught:
        Normaliser(region).normalise(raw)

    assert caught.value.reason == reason


@st.composite
def likely_numbers(draw: st.DrawFn) -> tuple[str, str | None]:
    """Numbers near a region's examples, in forms that occur, and a default region that may be another one."""
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
    is_possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    is_usable = is_possible and phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if is_usable else None


normaliser = cache(Normaliser)


def read(raw: str, region: str | None) -> tuple[str | None, NumberKind | None]:
    try:
        return normaliser(region).read(raw)
    except InvalidNumber:
        return None, None


@pytest.mark.long
@settings(max_examples=1000)
@given(likely_numbers())
def test_every_number_is_what_the_library_makes_of_it(number: tuple[str, str | None]) -> None:
    raw, region = number
    assume(not raw.startswith("00"))  # a plus in every country, but for the library only where people dial it
    found, kind = read(raw, region)

    code = str(phonenumbers.country_code_for_region(region)) if region else "-"
    readings = {by_the_library(raw, region)}
    if raw.startswith(code):  # the library takes one of the two
        readings |= {by_the_library("+" + raw, None), by_the_library(f"+{code}{raw}", None)}
    expected = readings - {None}
    if found and not expected:
        assert found.startswith(("+52", "+55", "+229"))  # numbers that are no longer in use
    else:
        assert found == (expected.pop() if len(expected) == 1 else None)
    if found:
        is_landline = phonenumbers.number_type(phonenumbers.parse(found)) == PhoneNumberType.FIXED_LINE
        assert (kind is NumberKind.LANDLINE) == is_landline


@given(st.text(), st.sampled_from(["IT", "US", None]))
def test_any_text_is_a_number_or_an_invalid_one(raw: str, region: str | None) -> None:
    with suppress(InvalidNumber):
        number = Normaliser(region).normalise(raw)

        assert Normaliser(None).normalise(number) == number


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        (ANNA, "+39…67"),
        ("+3933", "…"),
        ("", "…"),
        ("112", "…"),
        ("12345", "…"),
        ("5550101", "…01"),
        ("2025550", "…50"),
        ("+39 333 123 4567", "…67"),
        ("Mario Rossi 3331234567", "…67"),
        ("3331234567 Mario", "…67"),
        ("a@b.example", "…"),
        ("call me", "…"),
        ("+call me now", "…"),
    ],
)
def test_a_masked_cell_shows_the_ends_of_an_international_number_and_of_any_other_at_most_two_digits(
    number: str, masked: str
) -> None:
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


TYPES = ("mobile", "fixed_line", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan")
CARRIERS = {"BR": ("15", "21", "31", "41"), "CO": ("3", "5", "444"), "KR": ("81", "82")}


def examples() -> list[tuple[str, str, str]]:
    """Region, national number and E.164 of an example for every type in every region."""
    found: dict[str, tuple[str, str]] = {}
    for region in REGIONS:
        metadata = PhoneMetadata.metadata_for_region(region)
        assert metadata is not None
        for name in (*TYPES, "voicemail"):
            national = str(getattr(getattr(metadata, name), "example_number", None) or "")
            number = phonenumbers.parse(f"+{metadata.country_code}{national}") if national else None
            if number and by_the_library(written := phonenumbers.format_number(number, PhoneNumberFormat.E164), None):
                found[written] = (region, national)
    return [(region, national, number) for number, (region, national) in found.items()]


EXAMPLES = examples()


@cache
def dialled_out(pattern: str) -> list[str]:
    """The prefix for calling abroad from a region, if it is at most four digits long; a sample of it."""
    every = (f"{digits:0{width}}" for width in range(1, 5) for digits in range(10**width))
    return [prefix for prefix in every if prefix[0] in "0189" and re.fullmatch(pattern, prefix)][:8]


def at_home(region: str, national: str, number: str) -> Iterator[str]:
    """How people in a region write one of their numbers."""
    metadata, parsed = PhoneMetadata.metadata_for_region(region), phonenumbers.parse(number)
    assert metadata is not None
    yield from (number, number[1:], national, phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL))
    yield phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)
    if prefix := metadata.national_prefix:
        yield from (prefix + national, f"+{metadata.country_code} ({prefix}) {national}")
    for carrier in CARRIERS.get(region, ()):
        yield phonenumbers.format_national_number_with_carrier_code(parsed, carrier)
    yield from (dash.join(number) for dash in "-\u2010\u2015\u2212\u30fc\uff0d\uff0e\u2060\u00a0\u200b")


@pytest.mark.long
def test_a_number_as_its_people_write_it_is_theirs_or_invalid() -> None:
    refused = []
    for region, national, number in EXAMPLES:
        written = list(at_home(region, national, number))
        found = [read(raw, region)[0] for raw in written]
        assert set(found) <= {number, None}, (region, number, written, found)
        refused += [raw for raw, reading in zip(written, found, strict=True) if reading is None]
        kinds = {kind for raw in written for kind in [read(raw, region)[1]] if kind}
        assert len(kinds) == 1
    assert len(refused) < 40


@pytest.mark.long
def test_a_number_dialled_from_abroad_is_the_same_or_invalid() -> None:
    refused = total = 0
    for place, region in enumerate(REGIONS):
        metadata = PhoneMetadata.metadata_for_region(region)
        assert metadata is not None
        for prefix in dialled_out(metadata.international_prefix):
            for _home, _national, number in EXAMPLES[place % 23 :: 23]:
                found = read(prefix + number[1:], region)[0]
                assert found in {number, None}, (region, prefix, number)
                total, refused = total + 1, refused + (found is None)
    assert refused < total / 40
