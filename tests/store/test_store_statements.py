"""Statements that are handed to the driver as text do what SQLAlchemy would do with them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from worker.store.engine import Store
from worker.store.models import AttemptState
from worker.store.statements import Statement, rows_given
from worker.store.tables import attempts, runs

NOW = datetime(2026, 12, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def connection(store: Store) -> Iterator[sa.Connection]:
    with store.write() as session:
        yield session.connection()


def test_constants_stand_in_the_text_and_parameters_do_not(connection: sa.Connection) -> None:
    statement = Statement(
        sa.select(sa.literal("it's 100 %"), sa.bindparam("b_word", type_=sa.Text), sa.literal(None))
        .where(sa.literal("b").in_(["a", "b"]), sa.bindparam("b_number", type_=sa.Integer) == 7)
    )  # fmt: skip
    assert statement.rows(connection, {"b_word": "'; --", "b_number": 7}) == [("it's 100 %", "'; --", None)]
    assert statement.first(connection, {"b_word": "", "b_number": 8}) is None


def test_values_come_back_as_their_columns_mean_them(connection: sa.Connection) -> None:
    columns = [attempts.c.state, attempts.c.started_at, attempts.c.evidence]
    given: dict[str, Any] = {
        f"b_{column.name}": value for column, value in zip(columns, [AttemptState.OPEN, NOW, {"a": [1]}], strict=True)
    }
    statement = Statement(sa.select(*(sa.bindparam(f"b_{column.name}", type_=column.type) for column in columns)))
    assert statement.rows(connection, given) == [(AttemptState.OPEN, NOW, {"a": [1]})]


def test_it_tells_how_many_rows_changed(connection: sa.Connection) -> None:
    assert Statement(sa.update(runs).values(reason="x").where(runs.c.id == sa.bindparam("b_id"))).changed(
        connection, {"b_id": -1}
    ) == 0  # fmt: skip


def test_many_rows_are_given_as_one_parameter(connection: sa.Connection) -> None:
    row = rows_given({"id": sa.BigInteger(), "word": sa.Text()})[connection.dialect.name]
    statement = Statement(sa.select(row["id"], row["word"]).order_by(row["id"]))
    given = '[[9007199254740993, "a\\"b"], [2, null]]'
    assert statement.rows(connection, {"b_rows": given}) == [(2, None), (9007199254740993, 'a"b')]


def test_errors_are_those_of_sqlalchemy_and_show_no_value(connection: sa.Connection) -> None:
    statement = Statement(sa.select(sa.func.no_such_function(sa.bindparam("b_secret", type_=sa.Text))))
    with pytest.raises(sa.exc.DBAPIError) as raised:
        statement.rows(connection, {"b_secret": "+393331112222"})
    assert "3331112222" not in str(raised.value)
