"""Texts in GSM characters: never longer, never another letter or number, and only where that saves segments."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.definition.models import TextEncoding
from campaigns.message.segments import is_blank, segmentation
from campaigns.message.transliteration import LETTERS, TYPOGRAPHIC, Transliterated, encoded, replacement

AS_IS, GSM, PLAIN = TextEncoding.AS_IS, TextEncoding.GSM, TextEncoding.GSM_PLAIN
LONG = "Dear customer, our spring sale begins on Saturday at nine in all our shops. "
REPLACED = "".join(TYPOGRAPHIC.values())

written = st.text(
    alphabet=st.one_of(
        st.sampled_from("aZ5 .,€é" + REPLACED + "".join(LETTERS) + "\u0301\u0308čçŠ̌Ωž👍½²"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)
texts = st.builds(
    lambda text, times, more: text * times + more, written, st.integers(1, 4), st.sampled_from(["", LONG])
)


def kinds(text: str, *first: str) -> list[str]:
    """Return the characters of these Unicode categories, each composed with its accents."""
    return [each for each in unicodedata.normalize("NFC", text) if unicodedata.category(each)[0] in first]


@given(texts, st.sampled_from(TextEncoding))
@example("x" * 69 + "…", GSM)
@example("…" * 71, GSM)
def test_a_text_changes_only_where_that_saves_segments(text: str, encoding: TextEncoding) -> None:
    before, (sent, cost) = segmentation(text), encoded(text, encoding)

    now = segmentation(sent)
    assert (cost.encoding, cost.segments, cost.units) == (now.encoding, now.segments, now.units)
    if sent == text:
        assert cost.segments == before.segments
        assert not isinstance(cost, Transliterated)
    else:
        assert isinstance(cost, Transliterated)
        assert cost.encoding == "GSM-7"
        assert cost.segments + cost.saved == before.segments
        assert cost.saved > 0
        assert cost.as_written == text
    assert encoded(sent, encoding)[0] == sent
    assert is_blank(sent) == is_blank(text)


@given(texts)
def test_texts_are_sent_as_written_unless_the_file_says_otherwise(text: str) -> None:
    assert encoded(text, AS_IS) == (text, segmentation(text))


@given(texts)
@example("Perché costa 12–15 €… chiedi a Núria‘s " + LONG)
def test_no_letter_and_no_number_changes(text: str) -> None:
    sent, _ = encoded(text, GSM)

    assert kinds(sent, "L", "N") == kinds(text, "L", "N")


@given(texts)
def test_without_accents_no_number_changes_either(text: str) -> None:
    sent, _ = encoded(text, PLAIN)

    assert kinds(sent, "N") == kinds(text, "N")


@given(st.text(alphabet=LONG + "@£èΔ€{~", max_size=400), st.sampled_from(TextEncoding))
def test_a_text_of_the_gsm_alphabet_stays(text: str, encoding: TextEncoding) -> None:
    assert encoded(text, encoding) == (text, segmentation(text))


@pytest.mark.parametrize(("plain", "characters"), TYPOGRAPHIC.items())
def test_every_replacement_is_of_the_alphabet_and_no_letter_is_replaced(plain: str, characters: str) -> None:
    assert segmentation(plain).encoding == "GSM-7"
    for each in characters:
        assert segmentation(each).encoding == "UCS-2"
        assert unicodedata.category(each)[0] not in "LN"
        assert replacement(each, GSM) == replacement(each, PLAIN) == plain


@pytest.mark.parametrize(
    ("written", "gsm", "plain"),
    [
        ("“È l’ora” – da lunedì…", "", '"E l\'ora" - da lunedì...'),
        ("l’ora – da\u00a0lunedì…", "l'ora - da lunedì...", "l'ora - da lunedì..."),
        ("Žiga Łoś, Çelik, Şule", "", "Ziga Los, Çelik, Sule"),
        ("Noe\u0308l, cafe\u0301", "", "Noel, café"),
        ("cafe\u0301 – ora", "café - ora", "café - ora"),
        ("Œuvre, İzmir, Đorđe, Ǻ", "", "OEuvre, Izmir, Dorde, Å"),
        ("Hawai\u02bbi", "", "Hawai'i"),
        ("• 5 € −3 °C", "", ""),
        ("1\ufe0f\u20e3 – 5²", "", ""),
        ("1\u03360\u0336 – 5 €", "", ""),
        ("\u202e21\u202c – ora", "", ""),
        ("Привет – мир", "", ""),
        ("prezzo 12\u201a50 – ora", "", ""),
        ("“https://x.it/a–b” – ora", "", ""),
        ("“https://x.it/a” – all’ora", '"https://x.it/a" - all\'ora', '"https://x.it/a" - all\'ora'),
        ("ora – žena@x.si", "", ""),
        ("ora – žena.si/a", "", ""),
        ("dr.Žiga – ora", "", "dr.Ziga - ora"),
        ("sull’app.example.com… – ora", "sull'app.example.com... - ora", "sull'app.example.com... - ora"),
    ],
)
def test_what_becomes_of_a_text(written: str, gsm: str, plain: str) -> None:
    """Empty: it stays as it is written."""
    for encoding, expected in ((GSM, gsm), (PLAIN, plain)):
        sent, _ = encoded(f"{LONG}{written}", encoding)
        assert sent == f"{LONG}{expected or written}"


def test_what_cannot_be_replaced_is_named() -> None:
    assert encoded(f"“{LONG}” 👍", GSM)[1].forced_by == "👍"
    assert encoded(f"“{LONG}” Žiga", GSM)[1].forced_by == "Ž"
    assert encoded("“short”", GSM)[1].forced_by == "“"
