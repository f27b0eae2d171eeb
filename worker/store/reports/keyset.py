"""Pages of tables that grow without end: each goes on after the id of the last row, and looks at a bounded part."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

SCANNED: Final = 20_000
"""The most rows that are looked at for one page (some 40 ms). Where few match, a page has few rows, or none, and says
where to go on: no page costs more because a table is large, and no filter needs an index that sending keeps."""


def rows_after(
    session: Session,
    query: sa.Select[Any],
    id_: sa.ColumnElement[int],
    *,
    among: Sequence[sa.ColumnElement[bool]] = (),
    only: Sequence[sa.ColumnElement[bool]] = (),
    after: int,
    limit: int,
    newest_first: bool = False,
    scanned: int = SCANNED,
) -> tuple[Sequence[sa.Row[Any]], int | None]:
    """Return the next rows, whose first column is `id_`, and the id to go on after; None: there are no more.

    `newest_first`: those with lower ids than `after`; 0: from the last row on.

    `among`: conditions that an index on them and the id answers; `only`: those that each row is looked at for.
    """
    order = id_.desc() if newest_first else id_.asc()
    where = [*among]
    if after or not newest_first:
        where.append(id_ < after if newest_first else id_ > after)
    until: int | None = None
    if only:
        ids = sa.select(id_).where(*where).order_by(order)
        until = session.scalar(ids.offset(scanned - 1).limit(1))
        if among and (first := session.scalar(ids.limit(1))) is not None:
            # By the ids alone PostgreSQL expects few rows in front of it, and reads all those of other runs.
            where.append(id_ <= first if newest_first else id_ >= first)
    if until is not None:
        where.append(id_ >= until if newest_first else id_ <= until)
    found = session.execute(query.where(*where, *only).order_by(order).limit(limit + 1)).all()
    return found[:limit], found[limit - 1][0] if len(found) > limit else until
