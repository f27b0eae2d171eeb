"""Texts that are sent as written, without fields."""

from typing import Final
from unicodedata import category

from campaigns.message.segments import segmentation
from campaigns.message.texts import MAX_SEGMENTS

_CONTROL: Final = frozenset({"Cc", "Cs"})
"""Control characters, and halves of characters. Joiners stay, which hold emojis together, and so do spaces of any
width."""


def checked_plain(text: str) -> str:
    """Return the text as it is sent, stripped; it may be empty. Raises ValueError with the problem."""
    text = text.replace("\r\n", "\n").strip()
    if any(category(character) in _CONTROL and character != "\n" for character in text):
        raise ValueError("contains an invisible control character; write plain text")
    if any(mark in text for mark in ("{{", "{%", "{#")):
        raise ValueError("contains {{, {% or {#; it is sent as written, without fields, so write plain text")
    cost = segmentation(text).segments if text else 0
    if cost > MAX_SEGMENTS:
        raise ValueError(f"takes {cost} segments, but at most {MAX_SEGMENTS} are allowed; write a shorter text")
    return text
