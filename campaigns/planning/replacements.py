"""What `encoding` replaced in the texts of a plan, for how many people, and what that saves."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from campaigns.definition.models import TextEncoding
from campaigns.message.segments import Segmentation
from campaigns.message.transliteration import Transliterated, replacement

_CHARACTERS: Final = 100
"""As many as `gsm` can replace at all. `gsm_plain` knows over 2,000 letters and accents."""


@dataclass(frozen=True, slots=True)
class ReplacedCharacter:
    """A character that was replaced, by `written` (empty: it was left out), and in how many texts."""

    character: str
    written: str
    texts: int


@dataclass(frozen=True, slots=True)
class ReplacedTexts:
    """How many texts are sent in other characters than they were written in, and how many segments that saves.

    `characters`: letters first, then the most frequent; `more_characters` counts those after the first 100. `example`:
    the text of one of these people as it was written, and as it is sent.
    """

    texts: int
    segments_saved: int
    characters: tuple[ReplacedCharacter, ...]
    example: tuple[str, str] | None
    more_characters: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it without texts, as it is stored with a plan."""
        characters = [[each.character, each.written, each.texts] for each in self.characters]
        return {
            "texts": self.texts,
            "segments_saved": self.segments_saved,
            "characters": characters,
            "more_characters": self.more_characters,
        }


class Replacements:
    """The figures while they grow."""

    def __init__(self, encoding: TextEncoding) -> None:
        self._encoding = encoding
        self._texts = 0
        self._saved = 0
        self._characters: Counter[str] = Counter()
        self._example: tuple[str, str] | None = None

    def add(self, sent: Sequence[tuple[str, Segmentation]]) -> None:
        """Count texts that are sent, each with what it costs."""
        if self._encoding is TextEncoding.AS_IS:
            return
        for text, cost in sent:
            if isinstance(cost, Transliterated):
                self._texts += 1
                self._saved += cost.saved
                self._characters.update(cost.replaced)
                self._example = self._example or (cost.as_written, text)

    def found(self) -> ReplacedTexts | None:
        """Return the figures; None if the campaign's texts are sent as they are written."""
        if self._encoding is TextEncoding.AS_IS:
            return None
        counted = sorted(self._characters.items(), key=lambda item: (not item[0].isalpha(), -item[1], item[0]))
        characters = tuple(
            ReplacedCharacter(each, replacement(each, self._encoding), count) for each, count in counted[:_CHARACTERS]
        )
        more = len(counted) - len(characters)
        return ReplacedTexts(self._texts, self._saved, characters, self._example, more)
