"""The types of columns, where the two databases keep a value differently or SQLModel's own would not do."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlmodel.sql.sqltypes import UTCDateTime

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite auto-increments only an INTEGER PRIMARY KEY
Json = sa.JSON().with_variant(JSONB(), "postgresql")


class UnixTime(sa.TypeDecorator[datetime]):
    """A moment of a table with a row for each text: on SQLite in seconds since 1970, exact to the microsecond.

    SQLite keeps a whole number of seconds in 4 bytes and others in 8. As text, every moment takes 26.
    """

    impl = UTCDateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.REAL() if dialect.name == "sqlite" else UTCDateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value.timestamp() if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return datetime.fromtimestamp(value, UTC) if value is not None and dialect.name == "sqlite" else value


class AsUnixTime(sa.sql.functions.FunctionElement[datetime]):
    """A moment of another table as a `UnixTime`, to compare both: to SQLite, any text is later than a number."""

    type = UnixTime()
    inherit_cache = True


@compiles(AsUnixTime)
def _as_it_is(element: AsUnixTime, compiler: Any, **how: Any) -> str:
    return str(compiler.process(element.clauses, **how))


@compiles(AsUnixTime, "sqlite")
def _of_text(element: AsUnixTime, compiler: Any, **how: Any) -> str:
    moment = compiler.process(element.clauses, **how)
    return f"(strftime('%s', {moment}) + substr({moment}, 20))"  # `2026-12-01 09:00:00.250000`


def by_value(enum: type[StrEnum]) -> sa.Enum:
    """An enum column that stores values, checked by the database (SQLModel's default stores names, unchecked)."""
    name = "".join("_" + c.lower() if c.isupper() else c for c in enum.__name__).lstrip("_")
    return sa.Enum(
        enum,
        values_callable=lambda e: [m.value for m in e],
        native_enum=False,
        create_constraint=True,
        length=20,
        name=name,
    )
