"""Statements that every request runs: written once for each dialect, and handed to the driver as they are.

SQLAlchemy takes 10 to 20 us to look up, bind and wrap a statement that the database runs in 5 (measured), and as long
again to run a text and wrap its result; with other threads in between, four times as much. It also binds a statement's
constants: where one is compared with the condition of a partial index, SQLite plans the statement again at each
execution, in 50 us.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import TypeEngine

Process = Callable[[Any], Any]


def rows_given(columns: Mapping[str, TypeEngine[Any]]) -> Mapping[str, Mapping[str, sa.ColumnElement[Any]]]:
    """Return the columns of the rows in the parameter `b_rows`, for each dialect: many rows in one statement.

    The parameter is JSON: a list of lists, each with a value for every column. An executemany of 100 rows took 3 ms.
    """
    given = sa.bindparam("b_rows", type_=sa.Text)
    by_json = sa.func.json_each(given).table_valued("value", name="given")
    by_jsonb = sa.func.jsonb_array_elements(sa.cast(given, JSONB)).table_valued(sa.column("value", JSONB), name="given")
    return {
        "sqlite": {name: sa.func.json_extract(by_json.c.value, f"$[{place}]") for place, name in enumerate(columns)},
        "postgresql": {
            name: sa.cast(by_jsonb.c.value[place].astext, type_) for place, (name, type_) in enumerate(columns.items())
        },
    }


class _Written(NamedTuple):
    sql: str
    names: tuple[str, ...]  # of the parameters, in order
    is_by_place: bool  # the driver takes them by place
    constants: dict[str, Any]  # those that cannot stand in the text
    binds: dict[str, Process | None]
    results: tuple[tuple[int, Process], ...]  # the columns that the driver does not read as they are meant


class Statement:
    """A statement whose parameters are its `bindparam`s without a value; everything else is written into its text.

    It is run in the transaction that `connection` has begun; without one, it stands alone on SQLite. It raises what
    SQLAlchemy raises: `sqlalchemy.exc.DBAPIError`.
    """

    def __init__(self, clause: Any) -> None:
        self.clause = clause
        self._written: dict[str, _Written] = {}

    def changed(self, connection: sa.Connection, values: Mapping[str, Any]) -> int:
        """Run it; return how many rows it changed."""
        return int(self._run(connection, values)[0].rowcount)

    def first(self, connection: sa.Connection, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run it; return its first row, or None."""
        rows = self.rows(connection, values)
        return rows[0] if rows else None

    def rows(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run it; return its rows."""
        cursor, processes = self._run(connection, values)
        rows: list[tuple[Any, ...]] = list(cursor.fetchall())
        for place, process in processes:
            rows = [(*row[:place], process(row[place]), *row[place + 1 :]) for row in rows]
        return rows

    def _run(
        self, connection: sa.Connection, values: Mapping[str, Any]
    ) -> tuple[DBAPICursor, tuple[tuple[int, Process], ...]]:
        name = connection.dialect.name
        written = self._written.get(name)
        if written is None:
            written = self._written[name] = _write(self.clause, connection.dialect)
        given = {**values, **written.constants} if written.constants else values
        binds, bound = written.binds, []
        for parameter in written.names:
            process = binds[parameter]
            bound.append(given[parameter] if process is None else process(given[parameter]))
        by_place = bound if written.is_by_place else dict(zip(written.names, bound, strict=True))
        return execute(connection, written.sql, by_place), written.results


def execute(connection: sa.Connection, sql: str, values: Any = ()) -> DBAPICursor:
    """Let the driver execute a text. Raises what SQLAlchemy raises."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, values)
    except connection.dialect.loaded_dbapi.Error as error:
        # There is no public way to have an error wrapped, told to listeners, and a lost connection dropped.
        connection._handle_dbapi_exception(error, sql, None, cursor, None)
    return cursor


def _write(clause: Any, dialect: Dialect) -> _Written:
    """Let SQLAlchemy write the statement for this dialect, with its constants in the text."""

    def constant(element: Any, **_: object) -> Any:
        if not isinstance(element, sa.BindParameter) or element.required:
            return None
        if element.effective_value is None:
            return sa.null()
        as_text = element.type.dialect_impl(dialect).literal_processor(dialect)
        if as_text is None:
            return None
        value = element.effective_value
        text = f"({', '.join(map(as_text, value))})" if element.expanding else as_text(value)  # the values of an IN
        # A driver that marks parameters with % reads it doubled, and the compiler doubles it again.
        return sa.literal_column(text.replace("%%", "%") if dialect.paramstyle == "pyformat" else text, element.type)

    compiled = replacement_traverse(clause, {}, constant).compile(dialect=dialect)
    constants: dict[str, Any] = {}
    binds: dict[str, Process | None] = {}
    for parameter, name in compiled.bind_names.items():
        process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        if parameter.required:
            binds[name] = process
        else:
            constants[name] = parameter.effective_value if process is None else process(parameter.effective_value)
            binds[name] = None
    columns = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in _columns(clause)]
    return _Written(
        str(compiled),
        tuple(binds if compiled.positiontup is None else compiled.positiontup),
        compiled.positiontup is not None,
        constants,
        binds,
        tuple((place, process) for place, process in enumerate(columns) if process is not None),
    )


def _columns(clause: Any) -> Iterable[sa.ColumnElement[Any]]:
    return clause.selected_columns if isinstance(clause, sa.Select) else clause.exported_columns
