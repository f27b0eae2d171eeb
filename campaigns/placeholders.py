"""Names of columns in the brackets of other programs, which no template fills in."""

import re
from collections.abc import Collection
from typing import Final

from campaigns.templates import field_name

_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# {name}, [name], <name>, %name% and Word's «name»; a name that is no column is a text like any other.
_OTHER: Final = re.compile(r"\{([^{}\n]+)\}|\[([^\[\]\n]+)\]|<([^<>\n]+)>|%([^%\n]+)%|«([^«»\n]+)»")


def foreign_placeholders(message: str, columns: Collection[str]) -> tuple[tuple[str, str], ...]:
    """What stands in `message` as a field of another program, such as `{first_name}`, and the column that it means.

    `columns` are names as templates use them. Everybody would get such a text as it stands.
    """
    found: dict[str, str] = {}
    for match in _OTHER.finditer(_EXPRESSION.sub("", message)):
        name = field_name(next(filter(None, match.groups())))
        if name in columns:
            found[match[0]] = name
    return tuple(found.items())
