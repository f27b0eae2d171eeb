"""Segments, checked against a slow and obviously correct splitter and against figures worked out by hand."""

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.message.segments import Segmentation, is_sendable, segmentation

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = "\f^{}\\[~]|€"


def split_slowly(text: str) -> Segmentation:
    """Write the text out into messages, unit by unit."""
    outside = [character for character in text if character not in BASIC + EXTENDED]
    if outside:
        clusters = regex.findall(r"\X", text)
        pieces = [list(cluster.encode("utf-16-le")[::2].hex(" ").split()) for cluster in clusters]
    else:
        pieces = [["ESC", character] if character in EXTENDED else [character] for character in text]
    units = [unit for piece in pieces for unit in piece]
    alone, joined = (70, 67) if outside else (160, 153)
    messages: list[list[str]] = [[]]
    for piece in pieces:
        if len(messages[-1]) + len(piece) > joined:
            messages.append([])
        messages[-1].extend(piece)
    count = 1 if len(units) <= alone else len(messages)
    return Segmentation("UCS-2" if outside else "GSM-7", count, len(units), outside[0] if outside else "")


@given(st.text(alphabet=BASIC + EXTENDED, max_size=700))
@example("x" * 159 + "€")
@example("x" * 152 + "€" + "x" * 152 + "€")
def test_texts_of_the_default_alphabet_split_as_written_out(text: str) -> None:
    assert segmentation(text) == split_slowly(text)


JOINED = "aé€😀👍łத\u0bbf\u094dक\u200d🇮🇹👩\U0001f3fd\u0301\r\n"


@given(st.text(alphabet=st.one_of(st.sampled_from(JOINED), st.characters(exclude_categories=["Cs"])), max_size=300))
@example("😀" * 35)
@example("a" * 66 + "😀" * 4)
@example("🇮🇹" * 40)
@example("நன்றி வணக்கம் " * 8)
def test_any_text_splits_as_written_out(text: str) -> None:
    assert segmentation(text) == split_slowly(text)


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "units"),
    [
        ("", "GSM-7", 1, 0),
        ("x" * 160, "GSM-7", 1, 160),
        ("x" * 161, "GSM-7", 2, 161),
        ("x" * 306, "GSM-7", 2, 306),
        ("x" * 307, "GSM-7", 3, 307),
        ("€" * 80, "GSM-7", 1, 160),
        ("€" * 81, "GSM-7", 2, 162),
        # 76 pairs fill 152 of 153 septets, and the next pair does not fit into the last one.
        ("€" * 153, "GSM-7", 3, 306),
        ("ł" * 70, "UCS-2", 1, 70),
        ("ł" * 71, "UCS-2", 2, 71),
        ("ł" * 134, "UCS-2", 2, 134),
        ("😀" * 35, "UCS-2", 1, 70),
        # 33 pairs fill 66 of 67 units, and the next pair does not fit into the last one.
        ("😀" * 67, "UCS-2", 3, 134),
        ("ç", "UCS-2", 1, 1),
        ("Ç", "GSM-7", 1, 1),
    ],
)
def test_lengths_at_the_edges(text: str, encoding: str, segments: int, units: int) -> None:
    found = segmentation(text)

    assert (found.encoding, found.segments, found.units) == (encoding, segments, units)


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("ë" * 60 + "👨\u200d👩\u200d👧\u200d👦" + "ë" * 63, 3),  # 11 units that Android does not cut at 67
        ("ł" * 66 + "🇮🇹" + "ł" * 63, 2),
        ("ł" * 66 + "🇮🇹" + "ł" * 64, 3),
        ("ł" * 66 + "ë" + "ł" * 67, 2),  # one code point
        ("ł" * 66 + "e\u0308" + "ł" * 66, 3),  # two, and one character
        ("a" * 10 + "e" + "\u0301" * 100, 3),  # longer than a segment: 10, and then 67 and 34
        ("\U0001f1ee" + "\u0301" * 69, 2),
    ],
)
def test_txt_segments_android_cuts_between_characters_as_people_see_them(text: str, segments: int) -> None:
    assert segmentation(text).segments == segments


def test_the_first_character_outside_the_alphabet_is_named() -> None:
    assert segmentation("Grüße €5 — jetzt…").forced_by == "—"


@pytest.mark.parametrize("character", ["\0", "\ud83d"])
def test_what_cannot_be_stored_is_not_sendable(character: str) -> None:
    assert not is_sendable(f"Hi {character}")


def test_every_whole_character_is_sendable() -> None:
    assert is_sendable("Hi 😀 ł\n\t")
