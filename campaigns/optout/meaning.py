"""Reading a reply: a keyword that is the whole message decides; what only looks like a stop is for a person to read."""

import unicodedata
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from campaigns.optout.words import COMPANIONS, LANGUAGES, Words


class Meaning(StrEnum):
    """What a reply asks for."""

    STOP = "stop"  # no more texts
    START = "start"  # texts again, after a stop
    HELP = "help"  # who is this, and what can I do
    REVIEW = "review"  # perhaps a stop: a person decides
    REPLY = "reply"  # anything else


FEW_WORDS: Final = 3
"""An everyday word ("cancel", "basta") is a sign of a stop in a message this short, and noise in a longer one."""

_LONGEST_KEYWORD: Final = 4  # in words
_LONGEST_TYPO: Final = 16
_SHORTEST_TYPO: Final = 4

# Letters that Unicode does not take apart, but that keyboards without them leave plain; and a sign that says it all.
_PLAIN: Final = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ى": "ي", "ی": "ي", "ک": "ك"}
    | {"ة": "ه", "ـ": "", "🛑": " stop "}
)
_MARKS: Final = ((0x0300, 0x036F), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670), (0xFE00, 0xFE0F))
"""Accents, vowel points of Hebrew and Arabic, and variation selectors; vowels of Indic scripts are no such marks."""

_UNSPACED: Final = ((0x0E00, 0x0E7F), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF))
"""Thai, kana, Han, Hangul: written without spaces, or with endings, so that words are found anywhere in the text."""


def fold(text: str) -> str:
    """The words of a text, parted by single spaces: without case, marks, width, punctuation, invisible characters."""
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold()).translate(_PLAIN)
    kept = "".join(_kept(character) for character in plain)
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _kept(character: str) -> str:
    if "0" <= character <= "z" and character.isalnum():
        return character
    if _is_within(character, _MARKS):
        return ""
    category = unicodedata.category(character)
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return character if category[0] in "LMN" else " "


def _is_within(character: str, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(first <= ord(character) <= last for first, last in ranges)


class Meanings:
    """Reads replies by the table of `campaigns.optout.words`; `extra` are more words that stop."""

    def __init__(self, extra: Collection[str] = ()) -> None:
        table: Collection[Words] = LANGUAGES.values()
        sure = _folded(words.stop for words in table)
        self._sure = sure | _folded([extra])
        self._stop = self._sure | _folded(words.alone for words in table)
        self._start = _folded(words.start for words in table)
        self._help = _folded(words.help for words in table)
        near = sure | _folded(words.near for words in table)
        self._inside = tuple(part for part in near if _is_within(part[0], _UNSPACED))
        self._near = near.difference(self._inside)
        self._longest_near = max(part.count(" ") + 1 for part in self._near)
        self._typed = tuple(word for word in sure if word.isascii() and len(word) >= _SHORTEST_TYPO and " " not in word)

    def of(self, text: str) -> Meaning:
        """What the reply asks for. Only a keyword that is the whole message stops or starts anything."""
        said = fold(text)
        words = said.split()
        core = _core(words)
        if core in self._stop or said in self._stop:
            return Meaning.STOP
        if said in self._start:
            return Meaning.START
        if said in self._help:
            return Meaning.HELP
        return Meaning.REVIEW if self._may_be_stop(said, words) else Meaning.REPLY

    def _may_be_stop(self, said: str, words: list[str]) -> bool:
        if len(words) <= FEW_WORDS and any(word in self._stop for word in words):
            return True
        if all(len(word) == 1 for word in words) and "".join(words) in self._sure:
            return True
        if any(part in said for part in self._inside):
            return True
        if any(
            " ".join(words[start : start + length]) in self._near
            for length in range(1, self._longest_near + 1)
            for start in range(len(words) - length + 1)
        ):
            return True
        is_one = len(words) == 1 and len(said) <= _LONGEST_TYPO
        # "stopped", "stopstop", "stop1": what a keyword begins is seldom anything else where it is all that was written
        return is_one and any(said.startswith(word) or _is_typo(said, word) for word in self._typed)


def _folded(groups: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(filter(None, (fold(word) for group in groups for word in group)))


def _core(words: list[str]) -> str:
    """What is left without companions and repetitions: of "STOP stop sms!" that is "stop"."""
    core = [word for word in words if word not in COMPANIONS]
    lengths = (length for length in range(1, _LONGEST_KEYWORD + 1) if core == core[:length] * (len(core) // length))
    return " ".join(core[: next(lengths, len(core))])


def _is_typo(written: str, word: str) -> bool:
    """One letter too many, missing or wrong, or two neighbours exchanged; the first letter is right."""
    if written[0] != word[0] or abs(len(written) - len(word)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(written, word, strict=False)) if a != b), min(len(written), len(word)))
    rest, wanted = written[at:], word[at:]
    return (
        rest[1:] == wanted
        or rest == wanted[1:]
        or rest[1:] == wanted[1:]
        or (rest[:2] == wanted[1::-1] and rest[2:] == wanted[2:])
    )
