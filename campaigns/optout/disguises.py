"""Stop words written to pass a filter, in parts or on the wrong keyboard: `5TOP`, `ЅТОР`, `st op`; and 👎 for "no".

They opt nobody out: a person has to read them.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Final

_ALIKE: Final = (
    # A Latin letter, then its lookalikes: digits and signs, small letters of Cyrillic, Greek and Armenian, small
    # capitals, Cherokee. Unicode TS 39 has thousands; these can be typed. `i` also covers the lookalikes of l.
    "a4@аαᴀ b8вʙ c¢сϲᴄ dԁᴅ e3€еεєᴇ fꜰ gɢ hнһʜ i1lіιӏɪʟ jјϳᴊ kкκᴋ mмμᴍ nηпɴ o0оοօσᴏᎾ pрρᴘᏢ rгʀ s5$ѕտꜱᏚ t7тτᴛᎢ uυսᴜ "
    "vνѵᴠ wѡωᴡ xхχ yуүʏ zᴢ"
)
_CAPITALS: Final = str.maketrans("ΣΝΥΗ", "snyh")
"""Greek capitals that look like other Latin letters than their small forms."""

_BOXED: Final = (0x1F150, 0x1F170, 0x1F1E6)
"""The code points of A among white letters in circles, in boxes, and the letters of flags. Unicode has no plain form
for them."""

_PLAIN: Final = _CAPITALS | {first + place: chr(ord("a") + place) for first in _BOXED for place in range(26)}
_LATIN: Final = {ord(sign): group[0] for group in _ALIKE.split() for sign in group}

SHORTEST: Final = 4
"""The fewest letters of a stop word that is searched for in disguise: shorter ones occur in too many other words."""

REFUSING: Final = frozenset("👎✋🤚🖐🙅🚫⛔❌✖📵🔇🔕🖕⏹🚷")
"""Signs that mean no, one code point each: skin colour and style follow as separate code points."""


def skeletons(words: Iterable[str]) -> frozenset[str]:
    """Return the skeletons of stop words in Latin letters, which are the same in every disguise."""
    joined = (word.replace(" ", "") for word in words if word.isascii())
    return frozenset(word.translate(_LATIN) for word in joined if len(word) >= SHORTEST)


def possible(text: str, beside: Collection[str]) -> Iterator[str]:
    """Yield the skeletons in a text: of each word that is not in plain Latin letters, and of the whole text joined.

    Words in `beside` are left out of the joined text. A word without letters is a number, such as a code or a phone.
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
    """Return a word without marks, width and punctuation. Signs that stand for letters stay."""
    plain = unicodedata.normalize("NFKD", word).translate(_PLAIN)
    return "".join(sign for sign in plain if sign.isalnum() or ord(sign) in _LATIN)
