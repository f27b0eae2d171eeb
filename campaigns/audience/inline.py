"""Recipients written in the campaign file itself."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from campaigns.audience.rows import AudienceRow
from campaigns.message.segments import is_sendable
from campaigns.message.templates import field_name


def inline_rows(
    recipients: Sequence[Mapping[str, str]], *, fields: Collection[str] | None = None
) -> Iterator[AudienceRow]:
    """Yield rows of `recipients:`. A row's line is its place in the list, from 1. `fields`: those wanted; None: all."""
    for place, recipient in enumerate(recipients, start=1):
        cells = {field_name(key): cell.strip() for key, cell in recipient.items()}
        wanted = {name: cell for name, cell in cells.items() if fields is None or name in fields}
        broken = next((name for name, cell in cells.items() if not is_sendable(cell)), None)
        if broken is None:
            yield AudienceRow(place, cells.get("number", ""), wanted)
        else:
            yield AudienceRow(place, "", {}, f"has a broken character in {broken}")
