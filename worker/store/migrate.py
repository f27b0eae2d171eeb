"""Brings the schema up to date."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

import worker.store.models  # noqa: F401  # the tables to create
from worker.store.connections.revisions import MIGRATIONS, revision_of, revisions
from worker.store.engine import Store, at_end
from worker.store.errors import StoreError
from worker.store.kept import counting, months, phones

_version: Final = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps the revision, created as Alembic creates it."""

_LOCK = 0x5353_4D53  # an arbitrary number that names this lock among PostgreSQL's advisory locks


def migrate(store: Store, note: Callable[[Session, str], None] | None = None) -> str:
    """Upgrade the schema to this version's; return the revision it then has. Harmless if it is already there.

    `note` is called in the transaction that changes the schema, with the revision before; not for a new database.
    Raises `StoreError` if the database cannot be opened or was made by a newer version.
    """
    known = revisions()
    head = known[-1]
    if (path := store.sqlite_path) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it holds numbers and texts; SQLite gives its side files the same mode
    try:
        with store.engine.connect() as connection:
            current = revision_of(connection)
        if current == head:
            return head
        if current is not None and current not in known:
            raise StoreError(
                f"the database is at schema {current}, which this version does not know; "
                "upgrade the program to the one that made it"
            )
        with schema_change(store) as connection:
            if sa.inspect(connection).get_table_names():
                upgrade(connection)
            else:
                create(connection, head)
            if note is not None and current is not None:
                with Session(connection) as session:
                    note(session, current)
                    for act in at_end(session):
                        act(session)
    except sa.exc.OperationalError as error:
        raise StoreError(
            f"the database {store.url.render_as_string(hide_password=True)} cannot be opened ({_short(error)}); "
            "check CAMPAIGNS_DATABASE_URL and that the server runs"
        ) from error
    return head


def create(connection: sa.Connection, revision: str) -> None:
    """Create all tables of an empty database as the models describe them: 17 ms of CPU; every migration took 300.

    A test checks that the migrations make the same tables, except for the order of columns.
    """
    SQLModel.metadata.create_all(connection, checkfirst=False)
    counting.install(connection)
    counting.install(connection, (counting.CHARGES,))
    phones.install(connection)
    months.install(connection, datetime.now(UTC))
    _version.create(connection, checkfirst=False)
    connection.execute(_version.insert().values(version_num=revision))


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that this database does not have yet."""
    from alembic import command  # 7 MiB that no process needs if there is nothing to do
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def schema_change(store: Store) -> Iterator[sa.Connection]:
    """Open one transaction that changes tables; processes that do this at once take turns.

    SQLite changes a column by rebuilding its table. Dropping the old one counts as deleting its rows, which rows of
    other tables refer to: it is refused while references are enforced, and that cannot be changed within a transaction.
    """
    with store.engine.connect() as connection:
        driver = connection.connection.cursor()
        try:
            if store.is_sqlite:
                driver.execute("PRAGMA foreign_keys = OFF")
            with connection.begin():
                if not store.is_sqlite:
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK})
                yield connection
        finally:
            if store.is_sqlite:
                driver.execute("PRAGMA foreign_keys = ON")
            driver.close()


def _short(error: sa.exc.OperationalError) -> str:
    return str(error.orig).strip().splitlines()[0]
