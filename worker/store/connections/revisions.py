"""Which versions of the schema there are, and which one a database has; Alembic is only needed to change it."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"


def revisions() -> list[str]:
    """Return the schema versions that this program knows, in order, as their file names begin."""
    return sorted(path.name[1:5] for path in (MIGRATIONS / "versions").glob("v[0-9]*.py"))


def revision_of(connection: sa.Connection) -> str | None:
    """Return the schema version of a database; None for one without tables of ours."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return found
