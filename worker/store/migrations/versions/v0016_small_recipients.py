# ruff: noqa: S608 - every statement here is made of this module's constants
"""A recipient takes a third less: what many share is a number, and there is one index on phone numbers, not two.

A message's group and the table that a person was read from are named once, in rows of their own; on SQLite moments are
numbers. SQLite cannot change a constraint: there the table is written anew, row by row. The pages that it took before
are free in the file, and used first; `VACUUM` gives them back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from worker.store.column_types import UnixTime
from worker.store.kept import counting, phones

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

Columns: TypeAlias = Sequence[sa.Column[Any]]

_NUMBERS: Final = "ix_recipient_number"
_KEY: Final = ("number", "run_id", "occurrence", "slot")
_KEY_BEFORE: Final = ("run_id", "number", "occurrence", "slot")
_MOMENTS: Final = ("accepted_at", "sent_at", "delivered_at", "last_at")

_IS_ITS_GROUP: Final = (
    "message_group.run_id = recipient.run_id AND message_group.batch_id = coalesce(recipient.batch_id, 0)"
    " AND message_group.group_id = coalesce(recipient.group_id, '')"
)
_ROWS: Final = {
    "source_id": "(SELECT id FROM audience_source WHERE name = recipient.source)",
    "message_group_id": "CASE WHEN gateway_id IS NOT NULL OR group_id IS NOT NULL"
    f" THEN (SELECT id FROM message_group WHERE {_IS_ITS_GROUP}) END",
}
_NAMES: Final = {
    "source": "(SELECT name FROM audience_source WHERE id = recipient.source_id)",
    "group_id": "(SELECT nullif(group_id, '') FROM message_group WHERE id = recipient.message_group_id)",
}


def _as_number(moment: str) -> str:
    return f"strftime('%s', {moment}) + substr({moment}, 20)"


def _as_text(moment: str) -> str:
    seconds = f"CAST({moment} AS INTEGER)"
    return (
        f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"
        f" || printf('.%06d', round(({moment} - {seconds}) * 1000000))"
    )


class _Moments(NamedTuple):
    """What moments become, on SQLite: their type, and how one is written."""

    type: Callable[[], sa.types.TypeEngine[Any]]
    write: Callable[[str], str]


def upgrade() -> None:
    op.create_table(
        "audience_source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audience_source")),
        sa.UniqueConstraint("name", name=op.f("uq_audience_source_name")),
    )
    op.execute("INSERT INTO audience_source (name) SELECT DISTINCT source FROM recipient")
    # Every group should have a row; where one has none, its messages must not lose it.
    op.execute(
        "INSERT INTO message_group (run_id, batch_id, group_id, accepted_at, messages, polls)"
        " SELECT run_id, coalesce(batch_id, 0), group_id, coalesce(min(accepted_at), CURRENT_TIMESTAMP), count(*), 0"
        f" FROM recipient WHERE group_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM message_group WHERE {_IS_ITS_GROUP})"
        " GROUP BY run_id, batch_id, group_id"
    )
    _remove_triggers()
    added: Columns = (
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("message_group_id", sa.BigInteger()),
    )
    if _is_sqlite():
        _write_anew(added, _ROWS, _KEY, _Moments(UnixTime, _as_number))
    else:
        _change_in_place(added, _ROWS, _NAMES, _KEY_BEFORE, _KEY)
    _make_triggers()


def downgrade() -> None:
    _remove_triggers()
    text = sqltypes.AutoString
    added: Columns = (sa.Column("source", text(), nullable=False), sa.Column("group_id", text()))
    if _is_sqlite():
        _write_anew(added, _NAMES, _KEY_BEFORE, _Moments(sqltypes.UTCDateTime, _as_text))
    else:
        _change_in_place(added, _NAMES, _ROWS, _KEY, _KEY_BEFORE)
    op.create_index(_NUMBERS, "recipient", ["number"])
    op.drop_table("audience_source")
    _make_triggers()


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _remove_triggers() -> None:
    """They would count every row that is written. PostgreSQL lets nobody write from here on."""
    counting.remove(op.get_bind())
    phones.remove(op.get_bind())


def _make_triggers() -> None:
    counting.install(op.get_bind())
    phones.install(op.get_bind())


def _change_in_place(
    added: Columns, values: Mapping[str, str], gone: Mapping[str, str], before: Sequence[str], key: Sequence[str]
) -> None:
    connection = op.get_bind()
    op.drop_constraint(f"uq_recipient_{'_'.join(before)}", "recipient", type_="unique")
    # Made again afterwards: every row changes, and each of them would be written once more in every index.
    made = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'recipient'"
    indexes = {
        name: definition
        for name, definition in connection.exec_driver_sql(made)
        if name not in {_NUMBERS, "pk_recipient"}
    }
    for name in [_NUMBERS, *indexes]:
        op.execute(f"DROP INDEX IF EXISTS {name}")
    for column in added:
        op.add_column("recipient", sa.Column(column.name, column.type))
    op.execute(f"UPDATE recipient SET {', '.join(f'{name} = {value}' for name, value in values.items())}")
    for column in added:
        op.alter_column("recipient", column.name, nullable=column.nullable)
    for name in gone:
        op.drop_column("recipient", name)
    op.create_unique_constraint(f"uq_recipient_{'_'.join(key)}", "recipient", key)
    for definition in indexes.values():
        op.execute(definition)


def _write_anew(added: Columns, values: Mapping[str, str], key: Sequence[str], moments: _Moments) -> None:
    """Write both tables with moments anew; `values` are those of the columns that are `added` to recipients."""
    (state,) = sa.inspect(op.get_bind()).get_check_constraints("recipient")
    of_recipient = (
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipient")),
        sa.UniqueConstraint(*key, name=op.f(f"uq_recipient_{'_'.join(key)}")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_recipient_run_id")),
        sa.CheckConstraint(state["sqltext"], name=op.f("ck_recipient_recipient_state")),
    )
    _write("recipient", moments, added, values, *of_recipient)
    of_phone = sa.PrimaryKeyConstraint("account_id", "device", "sim", "figure", "shard", name=op.f("pk_phone_count"))
    _write("phone_count", moments, (), {}, of_phone, sqlite_with_rowid=False)


def _write(
    table: str,
    moments: _Moments,
    added: Columns,
    values: Mapping[str, str],
    *constraints: sa.Constraint,
    **options: Any,
) -> None:
    connection = op.get_bind()
    old = sa.Table(table, sa.MetaData(), autoload_with=connection, resolve_fks=False)
    kept = {column.name: column.name for column in old.c if column.name not in {*_ROWS, *_NAMES}}
    of_moments: dict[str, str] = {name: moments.write(name) for name in _MOMENTS if name in kept}
    columns = [
        sa.Column(
            name,
            moments.type() if name in of_moments else old.c[name].type,
            nullable=old.c[name].nullable,
            server_default=old.c[name].server_default,
        )
        for name in kept
    ]
    made = "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ? AND name <> ?"
    indexes = connection.exec_driver_sql(made, (table, _NUMBERS)).scalars().all()
    op.create_table(f"{table}_anew", *columns, *added, *constraints, **options)
    selected: dict[str, str] = {**kept, **of_moments, **values}
    op.execute(
        f"INSERT INTO {table}_anew ({', '.join(selected)}) SELECT {', '.join(selected.values())}"
        f" FROM {table} ORDER BY {', '.join(column.name for column in old.primary_key)}"
    )
    op.drop_table(table)
    op.rename_table(f"{table}_anew", table)
    for index in indexes:
        op.execute(index)
