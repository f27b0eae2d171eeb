"""Stop words written to pass a filter, in parts or by the wrong keyboard: `5TOP`, `ЅТОР`, `st op`; and 👎 for "no".

They opt nobody out: they are signs for a person to read.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Final

_ALIKE: Final = (
    # A Latin letter, then what looks like it: digits and signs, small letters of Cyrillic, Greek and Armenian, small
    # capitals, Cherokee. Unicode TS 39 has thousands; these can be typed. `i` is all that is written for l as well.
    "a4@аαᴀ b8вʙ c¢сϲᴄ dԁᴅ e3€еεєᴇ fꜰ gɢ hнһʜ i1lіιӏɪʟ jјϳᴊ kкκᴋ mмμᴍ nηпɴ o0оοօσᴏᎾ pрρᴘᏢ rгʀ s5$ѕտꜱᏚ t7тτᴛᎢ uυսᴜ "
    "vνѵᴠ wѡωᴡ xхχ yуүʏ zᴢ"
)
_CAPITALS: Final = str.maketrans("ΣΝΥΗ", "snyh")
"""Greek capitals that look like other letters than their small ones do."""

_BOXED: Final = (0x1F150, 0x1F170, 0x1F1E6)
"""Where A stands of white letters in circles and in boxes, and of those that flags are made of: Unicode has no plain
form for them."""

_PLAIN: Final = _CAPITALS | {first + place: chr(ord("a") + place) for first in _BOXED for place in range(26)}
_LATIN: Final = {ord(sign): group[0] for group in _ALIKE.split() for sign in group}

SHORTEST: Final = 4
"""Letters of a stop word that is sought in disguise: shorter ones stand in too much else."""

REFUSING: Final = frozenset("👎✋🤚🖐🙅🚫⛔❌✖📵🔇🔕🖕⏹🚷")
"""Signs that say no, one code point each: colour of skin and style are written behind them."""


def skeletons(words: Iterable[str]) -> frozenset[str]:
    """What stop words of Latin letters are in every disguise."""
    joined = (word.replace(" ", "") for word in words if word.isascii())
    return frozenset(word.translate(_LATIN) for word in joined if len(word) >= SHORTEST)


def possible(text: str, beside: Collection[str]) -> Iterator[str]:
    """The skeletons in a text: of each word that is not of plain Latin letters, and of all of it in one.

    Words of `beside` are left out of the whole. What has no letter is a number, such as a code or a phone.
    """
    whole = ""
    for word in map(_bare, text.split()):
        skeleton = word.casefold().translate(_LATIN)
        if any(map(str.isalpha, word)) and not (word.isascii() and word.isalpha()):
            yield skeleton
        if len(word) == 1 or word.casefold() not in beside:
            whole += word
    if any(map(str.isalpha, whole)):
        yield whole.casefold().translate(_LATIN)


def _bare(word: str) -> str:
    """Without marks, width and punctuation; signs that stand for letters stay."""
    plain = unicodedata.normalize("NFKD", word).translate(_PLAIN)
    return "".join(sign for sign in plain if sign.isalnum() or ord(sign) in _LATIN)
