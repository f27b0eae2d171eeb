"""What people were read from: a table, a contact list, somebody's answer. Recipients refer to its name."""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import insert_missing
from worker.store.tables import audience_sources


def ids_of(session: Session, names: Collection[str]) -> Mapping[str, int]:
    """Return the row of each name, which is made if it is new: a few, in one order, so that no two wait in a circle."""
    mine = sa.select(audience_sources.c.name, audience_sources.c.id).where(audience_sources.c.name.in_(sorted(names)))
    known = dict(session.execute(mine).all())
    if missing := sorted(set(names) - known.keys()):
        session.execute(insert_missing(session, audience_sources), [{"name": name} for name in missing])
        known = dict(session.execute(mine).all())
    return known
