"""The texts of a campaign, one or one for each variant: what one person gets, and what it costs."""

from collections.abc import Mapping
from typing import Final

from campaigns.definition import Definition
from campaigns.filters import RenderError
from campaigns.segments import Segmentation, segmentation
from campaigns.templates import MessageTemplate, compile_message

MAX_SEGMENTS: Final = 10
"""Over this a text is taken for a mistake: phones and carriers join ten parts reliably, and each is paid for."""


class Texts:
    """The texts of a campaign: one, or one for each variant."""

    def __init__(self, definition: Definition) -> None:
        self.names = tuple(definition.messages)
        self._templates: list[MessageTemplate] = [compile_message(text) for text in definition.messages.values()]
        self.fields = frozenset[str]().union(*(template.fields for template in self._templates))

    def of(self, fields: Mapping[str, str], index: int) -> tuple[str, Segmentation]:
        """One person's text, and what it costs. Raises `RenderError`.

        Also where it is another variant that cannot be sent to this person: those who get one and those who get
        another would not be comparable, if one of them asked for more than the other.
        """
        if len(self._templates) == 1:
            text = self._templates[0].render(fields)
            return text, _checked(text)
        found: list[tuple[str, Segmentation]] = []
        for name, template in zip(self.names, self._templates, strict=True):
            try:
                text = template.render(fields)
                found.append((text, _checked(text)))
            except RenderError as error:
                raise RenderError(f"variant {name}: {error.reason}") from error
        return found[index]


def _checked(text: str) -> Segmentation:
    """The cost of a text that may be sent, else raises `RenderError`."""
    if not text or text.isspace():
        raise RenderError("the text is empty")
    cost = segmentation(text)
    if cost.segments > MAX_SEGMENTS:
        raise RenderError(f"the text takes {cost.segments} segments, and at most {MAX_SEGMENTS} are sent")
    return cost
