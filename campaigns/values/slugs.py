"""The name of a campaign: its permanent identity."""

import re
import unicodedata
from typing import Annotated

from campaigns.values.scalars import Scalar, refuse, shown


def _read_slug(text: str) -> str:
    if re.fullmatch("[a-z0-9][a-z0-9-]{0,63}", text):
        return text
    letters = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub("[^a-z0-9]+", "-", letters).strip("-")[:64].strip("-")
    problem = f"must be 1 to 64 of a-z, 0-9 and -, starting with a letter or digit, not {shown(text)}"
    return refuse(problem, f"for example {slug}" if slug else "for example spring-sale")


Slug = Annotated[
    str, Scalar(str, _read_slug, str, {"type": ["string", "integer"], "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"})
]
