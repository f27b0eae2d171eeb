"""Segments against a splitter that is slow and plainly right, and against figures worked out by hand."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaigns.segments import Segmentation, is_sendable, segmentation

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = "\f^{}\\[~]|€"


def split_slowly(text: str) -> Segmentation:
    """Writes the text out into messages, unit by unit."""
    outside = [character for character in text if character not in BASIC + EXTENDED]
    if outside:
        pieces = [[character] * (len(character.encode("utf-16-le")) // 2) for character in text]
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


@given(st.text(alphabet=st.one_of(st.sampled_from("aé€😀👍ł"), st.characters(exclude_categories=["Cs"])), max_size=300))
@example("😀" * 35)
@example("a" * 66 + "😀" * 4)
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


def test_the_first_character_outside_the_alphabet_is_named() -> None:
    assert segmentation("Grüße €5 — jetzt…").forced_by == "—"


@pytest.mark.parametrize("character", ["\0", "\ud83d"])
def test_what_cannot_be_stored_is_not_sendable(character: str) -> None:
    assert not is_sendable(f"Hi {character}")


def test_every_whole_character_is_sendable() -> None:
    assert is_sendable("Hi 😀 ł\n\t")
