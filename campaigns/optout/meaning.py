"""Reads a reply: a keyword that is all of it decides. If it only looks like a refusal, a person has to read it."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

from campaigns.optout.disguises import REFUSING, possible, skeletons
from campaigns.optout.quotations import own_words
from campaigns.optout.refusals import EXCUSED, GAP, ORDINARY, REFUSALS
from campaigns.optout.results import MOST_JUDGED, Meaning
from campaigns.optout.words import COMPANIONS, LANGUAGES, Words

FEW_WORDS: Final = 3
"""An everyday word ("cancel", "basta") may mean stop in a message this short, and is noise in a longer one."""

_LONGEST_KEYWORD: Final = 4
"""In words."""
_LONGEST_TYPO: Final = 16
_SHORTEST_TYPO: Final = 4

# Letters that Unicode does not decompose, but that are typed plain on keyboards without them; and the stop sign.
_PLAIN: Final = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ى": "ي", "ی": "ي", "ک": "ك"}
    | {"ة": "ه", "ـ": "", "🛑": " stop "}
)
_MARKS: Final = ((0x0300, 0x036F), (0x0591, 0x05C7), (0x064B, 0x065F), (0x0670, 0x0670), (0xFE00, 0xFE0F))
"""Accents, vowel points of Hebrew and Arabic, and variation selectors. Vowels of Indic scripts are not marks."""

_CLAUSE: Final = re.compile(r"[,;:!?\n…،؛؟。、！？]+|\.(?=\s|$)")
"""No pattern reaches across one of these: "No, send it"."""

_BACKWARDS: Final = re.compile("\u202e([^\u202c\u202e\n]*)")
"""What a phone shows from right to left whatever its letters are: after U+202E, POTS is seen as STOP."""

_UNSPACED: Final = ((0x0E00, 0x0E7F), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF))
"""Thai, kana, Han, Hangul: written without spaces, or with endings, so words are searched anywhere in the text."""


def fold(text: str) -> str:
    """Return the words of a text, separated by single spaces, without case, marks, width, punctuation or invisibles."""
    wide = unicodedata.normalize("NFKC", text)[:MOST_JUDGED]  # one character can become eighteen
    plain = unicodedata.normalize("NFD", wide.casefold()).translate(_PLAIN)
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
    """Reads replies by the tables in `campaigns.optout`. `extra` are additional stop words."""

    def __init__(self, extra: Collection[str] = ()) -> None:
        table: Collection[Words] = LANGUAGES.values()
        sure = _folded(words.stop for words in table)
        self._sure = sure | _folded([extra])
        self._stop = self._sure | _folded(words.alone for words in table)
        self._disguised = skeletons(self._stop)
        self._start = _folded(words.start for words in table)
        self._help = _folded(words.help for words in table)
        signs = [*sorted(sure), *(sign for signs in REFUSALS.values() for sign in signs.split(", "))]
        self._inside = tuple(fold(sign) for sign in signs if _is_within(sign[0], _UNSPACED))
        self._near = _any_of(sign for sign in signs if not _is_within(sign[0], _UNSPACED))
        self._excused = _any_of(EXCUSED.split(", "))
        self._typed = tuple(word for word in sure if word.isascii() and len(word) >= _SHORTEST_TYPO and " " not in word)

    def of(self, text: str, sent: Collection[str] = ()) -> Meaning:
        """Return what the reply asks for. `sent` are our last texts to the person, which they may have quoted.

        A keyword stops or starts texts only if the person wrote nothing else, apart from polite words.
        """
        text = text[:MOST_JUDGED]
        own = own_words(text, sent, fold)
        if not own.strip():
            own = text  # only a quotation: it is read as if they had written it
        said = fold(own)
        words = said.split()
        if self._is_stop(own, said, words):
            return Meaning.STOP
        if said in self._start:
            return Meaning.START
        if said in self._help:
            return Meaning.HELP
        return Meaning.REVIEW if self._may_be_stop(own, said, words) else Meaning.REPLY

    def _is_stop(self, own: str, said: str, words: list[str]) -> bool:
        core = _without_companions(said)
        if {said, _once(words), _once(core)} & self._stop:
            return True
        if _once([word for word in core if not word.isdecimal()]) in self._sure:  # "STOP 36179"
            return True
        if all(len(word) == 1 for word in words) and "".join(words) in self._sure:  # "S T O P"
            return True
        first, is_more, _ = own.strip().partition("\n")
        return bool(is_more) and _once(_without_companions(fold(first))) in self._sure  # a name may stand below it

    def _may_be_stop(self, own: str, said: str, words: list[str]) -> bool:
        left = _without_companions(self._excused.sub(" ", said))
        if len(left) <= FEW_WORDS and (any(word in self._stop for word in left) or not REFUSING.isdisjoint(own)):
            return True
        if any(part in said for part in self._inside):
            return True
        clauses = filter(None, map(fold, _CLAUSE.split(own)))
        if any(self._near.search(self._excused.sub(" ", clause)) for clause in clauses):
            return True
        shown = _BACKWARDS.sub(lambda turned: turned[1][::-1], own)
        if shown != own and self.of(shown) in (Meaning.STOP, Meaning.REVIEW):
            return True
        if not self._disguised.isdisjoint(possible(own, _BESIDE)):
            return True
        is_one = len(words) == 1 and len(said) <= _LONGEST_TYPO and said not in ORDINARY
        # "stopped", "stopstop", "stop1": if nothing else was written, a word that begins with a keyword seldom means
        # anything else
        return is_one and any(said.startswith(word) or _is_typo(said, word) for word in self._typed)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return one expression for patterns in the syntax of `campaigns.optout.refusals`, for folded text."""
    return re.compile(rf"(?<!\S)(?:{'|'.join(map(_expression, patterns))})")


def _expression(pattern: str) -> str:
    found = ""
    for step in pattern.split():
        if step == "...":
            found += rf"(?: \S+){{0,{GAP}}}"
        else:
            found += f" (?:{'|'.join(map(_alternative, step.split('/')))})"
    return found[1:]


def _alternative(word: str) -> str:
    folded = fold(word.replace("_", " "))
    return folded + (r"\S*" if word.endswith("-") else r"(?!\S)")


def _folded(groups: Iterable[Iterable[str]]) -> frozenset[str]:
    return frozenset(filter(None, (fold(word) for group in groups for word in group)))


_BESIDE: Final = frozenset(map(fold, COMPANIONS))
_BESIDE_INSIDE: Final = re.compile("|".join(word for word in sorted(_BESIDE) if _is_within(word[0], _UNSPACED)))


def _without_companions(said: str) -> list[str]:
    return [word for word in _BESIDE_INSIDE.sub(" ", said).split() if word not in _BESIDE]


def _once(words: list[str]) -> str:
    """Return the words without repetition: "stop" for "stop stop stop"."""
    lengths = (size for size in range(1, _LONGEST_KEYWORD + 1) if words == words[:size] * (len(words) // size))
    return " ".join(words[: next(lengths, len(words))])


def _is_typo(written: str, word: str) -> bool:
    """Return whether one letter is extra, missing or wrong, or two neighbours are swapped. The first must be right."""
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
