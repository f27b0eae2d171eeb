"""Opening the database: durable, without lost updates, with the schema that the models describe."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel, col, select

from campaigns.definition import Definition
from campaigns.lifecycle import BatchState, RecipientState, RunState
from tests.store.store_world import NOW, SMALLEST, World, new_run, people
from worker.store.connections.engines import LARGEST_LOG_BYTES
from worker.store.connections.revisions import MIGRATIONS, revisions
from worker.store.engine import Store
from worker.store.errors import StoreError, is_away
from worker.store.kept.months import is_partition
from worker.store.migrate import migrate, schema_change, upgrade
from worker.store.models import Account, AttemptState
from worker.store.runs import versions
from worker.store.sending import accounts

ENUM_COLUMNS = [
    ("run", RunState),
    ("batch", BatchState),
    ("recipient", RecipientState),
    ("attempt", AttemptState),
]


@pytest.mark.long
def test_the_migrations_make_exactly_what_a_new_database_gets(sqlite_file: str, empty_postgres_url: str) -> None:
    for url in (sqlite_file, empty_postgres_url):
        with closing(Store(url)) as store:
            # given a new database, and an empty one to which every migration in turn was applied
            migrate(store)
            with store.engine.begin() as connection:
                new = shape(connection)
                tables = sa.MetaData()
                tables.reflect(connection, only=lambda name, _: not is_partition(name))
                tables.drop_all(connection)
            with schema_change(store) as connection:
                upgrade(connection)
            # then they are the same, and what the models describe
            with store.engine.connect() as connection:
                assert shape(connection) == new
                context = MigrationContext.configure(connection, opts=COMPARED)
                assert compare_metadata(context, SQLModel.metadata) == []
            assert migrate(store) == revisions()[-1]


COMPARED: Final = {
    "compare_type": True,
    "compare_server_default": True,
    "include_name": lambda name, kind, _: kind != "table" or not is_partition(name),
}
INDEXES: Final = {
    "sqlite": "SELECT name, replace(sql, char(34), '') FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


TRIGGERS: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname, pg_get_triggerdef(oid), pg_get_functiondef(tgfoid) FROM pg_trigger"
    " WHERE NOT tgisinternal",
}


def shape(connection: sa.Connection) -> tuple[object, ...]:
    """Each table's columns, by name rather than position, its keys and references; each index and trigger in full."""
    seen = sa.inspect(connection)
    tables = {
        table: (
            {column["name"]: str(column | {"name": ""}) for column in seen.get_columns(table)},
            seen.get_pk_constraint(table),
            sorted(str(key) for key in seen.get_foreign_keys(table)),
            sorted(str(unique) for unique in seen.get_unique_constraints(table)),
            seen.get_table_options(table),
        )
        for table in seen.get_table_names()
    }
    name = connection.dialect.name
    return tables, *(sorted(map(tuple, connection.execute(sa.text(of[name])))) for of in (INDEXES, TRIGGERS))


def test_the_names_of_the_migrations_tell_their_order() -> None:
    """This way, a process that has nothing to migrate need not load Alembic."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    assert revisions() == [script.revision for script in scripts][::-1]


def test_migrating_again_changes_nothing(store: Store) -> None:
    with store.engine.connect() as connection:
        before = MigrationContext.configure(connection).get_current_revision()

    assert migrate(store) == before


def test_two_processes_may_migrate_at_the_same_moment(sqlite_file: str, empty_postgres_url: str) -> None:
    for url in (sqlite_file, empty_postgres_url):
        stores = [Store(url), Store(url)]
        with ThreadPoolExecutor(2) as pool:
            assert len(set(pool.map(migrate, stores))) == 1
        for store in stores:
            store.close()


def test_a_database_of_a_newer_version_is_refused(sqlite_file: str) -> None:
    store = Store(sqlite_file)
    migrate(store)
    with store.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StoreError, match=r"schema 9999.*upgrade"):
        migrate(store)
    store.close()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("what is this", "CAMPAIGNS_DATABASE_URL is not a database address"),
        ("sqlite://", "need a database file"),
        ("sqlite:///:memory:", "need a database file"),
        ("mysql://somewhere/campaigns", "only SQLite and PostgreSQL"),
    ],
)
def test_a_useless_address_is_refused_with_what_to_do(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        Store(url)


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    store = Store("postgresql+psycopg://me:geheim@127.0.0.1:9/nothing")

    with pytest.raises(StoreError, match="CAMPAIGNS_DATABASE_URL") as caught:
        migrate(store)
    assert "geheim" not in str(caught.value)


def test_sqlite_is_durable_and_keeps_its_references(sqlite_file: str) -> None:
    store = Store(sqlite_file)
    migrate(store)
    for open_session in (store.write, store.read):
        with open_session() as session:
            pragmas = {
                name: session.execute(sa.text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
        assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # 2 is FULL
    store.close()


def test_postgresql_waits_for_the_disk(store: Store) -> None:
    if store.is_sqlite:
        return  # the test above
    with store.read() as session:
        assert session.execute(sa.text("SHOW synchronous_commit")).scalar() == "on"


def test_read_modify_writes_of_several_threads_lose_nothing(store: Store) -> None:
    # given two threads that read a number, think, and write it back one larger
    with store.write() as session:
        account_id = accounts.ensure_account(session, "counted")
    rounds = 60
    together = threading.Barrier(2)

    def count_up() -> None:
        together.wait()
        for _ in range(rounds):
            with store.write() as session:
                mine = select(Account.failures).where(Account.id == account_id)
                failures = session.exec(mine if store.is_sqlite else mine.with_for_update()).one()
                session.execute(sa.update(Account).where(col(Account.id) == account_id).values(failures=failures + 1))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(count_up), pool.submit(count_up)]:
            done.result()

    with store.read() as session:
        assert session.exec(select(Account.failures).where(Account.id == account_id)).one() == 2 * rounds


def test_looking_neither_blocks_a_writer_nor_sees_half_of_it(store: Store) -> None:
    with store.write() as session:
        accounts.ensure_account(session, "before")

    # given a transaction that is not finished
    with store.write() as writing:
        accounts.ensure_account(writing, "after")
        # when somebody looks meanwhile
        with store.read() as session:
            seen = session.exec(select(Account.key)).all()

    assert seen == ["before"]


def test_a_long_look_does_not_keep_anybody_from_writing(store: Store) -> None:
    with store.read() as session:
        session.exec(select(Account.key)).all()
        with store.write() as writing:
            accounts.ensure_account(writing, "meanwhile")

    with store.read() as session:
        assert session.exec(select(Account.key)).all() == ["meanwhile"]


def test_an_error_undoes_the_whole_transaction(store: Store) -> None:
    def fail_half_way() -> None:
        with store.write() as session:
            accounts.ensure_account(session, "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()

    with store.read() as session:
        assert session.execute(sa.select(Account)).all() == []


@pytest.mark.parametrize(("table", "states"), ENUM_COLUMNS)
def test_the_database_takes_no_state_that_the_code_could_not_read_back(
    world: World, table: str, states: type[RunState]
) -> None:
    # given a row of each kind
    run_id = world.run(people(1))
    world.intent(world.batches(run_id)[0])
    with world.store.read() as session:
        assert session.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar() == 1

    # then the database refuses what is in no life cycle, including a member's name
    for bad in ("nonsense", next(iter(states)).name):
        with pytest.raises(IntegrityError), world.store.write() as session:
            session.execute(sa.text(f"UPDATE {table} SET state = :state"), {"state": bad})


def test_a_campaign_runs_once_for_a_moment(world: World) -> None:
    world.run(people(1))

    with pytest.raises(IntegrityError), world.store.write() as session:
        new_run(session, world.account_id, "spring-sale")


def test_names_are_found_again_and_not_made_twice(world: World) -> None:
    with world.store.write() as session:
        assert accounts.ensure_account(session, "test-account") == world.account_id
        campaign_id = versions.ensure_campaign(session, "sale", rehearsal=False, now=NOW)
        assert versions.ensure_campaign(session, "sale", rehearsal=False, now=NOW) == campaign_id
        assert versions.ensure_campaign(session, "sale", rehearsal=True, now=NOW) != campaign_id
        sale = [Definition.model_validate(SMALLEST | {"campaign": "sale", "message": text}) for text in ("1", "2", "1")]
        first, second, again = (versions.register(session, d, rehearsal=False, source="s", now=NOW) for d in sale)
        assert first == again != second
        assert first.campaign_id == second.campaign_id == campaign_id
        assert versions.stored_definition(session, second.definition_id) == sale[1]


def test_a_pooler_that_does_not_show_itself_is_noticed_by_its_first_error(postgres_url: str) -> None:
    # given a prepared statement, on a connection that the pooler gives to another process, and takes back
    store = Store(postgres_url)

    def ask() -> bool:
        with store.read() as session:
            return bool(session.execute(sa.text("SELECT true")).scalar_one())

    def prepared() -> int:
        with store.read() as session:
            return int(session.execute(sa.text("SELECT count(*) FROM pg_prepared_statements")).scalar_one())

    for _ in range(3):
        assert ask()
    assert prepared()
    with store.read() as session:
        connection = session.connection()
        for (name,) in connection.exec_driver_sql("SELECT name FROM pg_prepared_statements").all():
            connection.exec_driver_sql(f'DEALLOCATE "{name}"')  # not ALL, which psycopg would see
        session.commit()

    with pytest.raises(DBAPIError) as failed:
        ask()

    # then it is a condition that passes, and nothing is prepared any more
    assert is_away(failed.value)
    for _ in range(3):
        assert ask()
    assert not prepared()
    store.close()


def test_the_log_of_sqlite_shrinks_after_a_long_look(sqlite_file: str) -> None:
    store = Store(sqlite_file)
    migrate(store)
    assert store.sqlite_path is not None
    log = store.sqlite_path.with_name(store.sqlite_path.name + "-wal")
    with store.write() as session:
        session.execute(sa.text("CREATE TABLE large (data)"))

    def grow(times: int) -> None:
        for _ in range(times):
            with store.write() as session:
                session.execute(sa.text("INSERT INTO large VALUES (randomblob(4194304))"))

    with store.read() as looking:
        looking.execute(sa.text("SELECT count(*) FROM large"))
        grow(6)
    grown = log.stat().st_size
    grow(2)

    assert grown > LARGEST_LOG_BYTES
    assert log.stat().st_size <= LARGEST_LOG_BYTES
    store.close()


def test_a_process_on_sqlite_does_not_load_the_driver_of_postgresql() -> None:
    # 9 MiB of the 200 MB that a run of 400,000 people may take
    loaded = "scheduler.cli.commands.sending.run, scheduler.processes.running"
    code = f"import sys, {loaded}; sys.exit('psycopg' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
