"""PostgreSQL behind a pooler: fail-over to a replica that has everything or lags, and a pooler that is killed."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psycopg

from tests.prove.faults.trial import Fault, Ground, World, ground
from tests.support.servers import PoolerServer, PostgresServer, RedisServer, StandbyServer
from worker.servers.conditions import Trouble

LOST_TEXTS: Final = 40
"""At least this many texts are sent that the replica never hears of."""


def ask(server: PostgresServer, *statements: str) -> list[tuple[object, ...]]:
    """Run statements in the server's own database, each by itself; return the rows of the last."""
    rows: list[tuple[object, ...]] = []
    with psycopg.connect(server.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


class _FailOver(Fault):
    """A primary with a replica, and a pooler (here in the place of a moving address) that leads to one of them."""

    is_fleet = True
    people = 400

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        redis, self.primary = RedisServer(), PostgresServer()
        for server in (redis, self.primary):
            stack.callback(server.close)
            server.start()
        database = self.primary.create_database()
        self.standby = StandbyServer(self.primary)
        stack.callback(self.standby.close)
        self.standby.start()
        self.pooler = PoolerServer(self.primary, "session")
        stack.callback(self.pooler.close)
        self.pooler.start()
        return ground(self.primary, redis, self.pooler.url(database))

    def fail_over(self, world: World) -> None:
        """The primary dies, and the replica takes its place."""
        self.primary.stop()
        time.sleep(2)
        self.standby.run("pg_promote")
        self.pooler.lead_to(self.standby)


class FailOver(_FailOver):
    """PostgreSQL fails over to a replica that confirmed every commit: all goes on by itself."""

    name = "fail-over, replica has everything"
    told = (Trouble.DATABASE_AWAY,)

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        prepared = super().prepare(folder, stack)
        ask(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        return prepared

    def happen(self, world: World) -> None:
        # The replica was copied before, without that setting: as a primary it waits for nobody.
        self.fail_over(world)


class FailOverBehind(_FailOver):
    """PostgreSQL fails over to a replica that lags: nothing is sent until somebody has run `campaigns recover`."""

    name = "fail-over, replica lags"
    told = (Trouble.DATABASE_LOST,)
    is_restarted = True

    def happen(self, world: World) -> None:
        ask(self.standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        world.until(
            lambda: ask(self.standby, "SELECT count(*) FROM pg_stat_wal_receiver") == [(0,)], "the replica keeps up"
        )
        world.await_sent(world.stored() + LOST_TEXTS)
        self.fail_over(world)
        world.await_said(Trouble.DATABASE_LOST)
        world.nothing_is_sent(5)
        roles = world.stop_services()
        ended = world.stage.product.run("recover")
        if ended.code != 0:
            world.broken.append(f"recover ended with {ended.code}: {ended.stderr[-300:]}")
        self._found = ended.stdout.strip().partition("\n")[0]
        for role in roles:
            world.start(role)

    def figures(self) -> str:
        return getattr(self, "_found", "")


class PoolerKilled(Fault):
    """A pooler in transaction mode, with eight connections for all processes, is killed and started again, twice."""

    name = "pooler in transaction mode, killed twice"
    is_fleet = True
    people = 600
    rate = 60
    told = (Trouble.DATABASE_AWAY,)

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        redis, postgres = RedisServer(), PostgresServer()
        for server in (redis, postgres):
            stack.callback(server.close)
            server.start()
        self.pooler = PoolerServer(postgres, "transaction")
        stack.callback(self.pooler.close)
        self.pooler.start()
        return ground(postgres, redis, self.pooler.url(postgres.create_database()))

    def happen(self, world: World) -> None:
        for _ in range(2):
            self.pooler.stop()
            time.sleep(3)
            self.pooler.start()
            world.await_sent(world.stored() + 30)
