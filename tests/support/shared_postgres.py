"""One PostgreSQL cluster for all processes of a test run, instead of six that all start at once.

The first process that asks starts it, with a database that has the schema; the others find it through a file. It ends
when the last of them has let go of it, however that happens: `servers.HELD`.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.servers import PostgresDatabases, PostgresServer, hold
from worker.store.engine import Store
from worker.store.migrate import migrate

MAX_CONNECTIONS: Final = 400
"""Six processes with a fleet each, whose processes have about ten connections."""


class SharedPostgres(PostgresDatabases):
    """The databases of the shared cluster. No test stops, floods or reconfigures it: one that must uses its own."""

    def __init__(self, port: int, migrated: str) -> None:
        super().__init__(port)
        self._migrated = migrated

    def create_migrated(self) -> str:
        """A new database with the schema: a copy, which costs 40 ms instead of the migrations' 300 ms."""
        return self.create_database(self._migrated)


@contextmanager
def shared_postgres(folder: Path) -> Iterator[SharedPostgres]:
    """The cluster of the test run whose processes share this folder."""
    found = folder / "postgres.json"
    with _alone(folder):
        cluster, held = _joined(found) or _started()
        found.write_text(json.dumps(cluster | {"users": cluster["users"] + 1}))
    try:
        yield SharedPostgres(cluster["port"], cluster["migrated"])
    finally:
        with _alone(folder):
            users = json.loads(found.read_text())["users"] - 1
            if users:
                found.write_text(json.dumps(cluster | {"users": users}))
            else:
                found.unlink()  # before it ends: a process that asks from now on starts another one
            os.close(held)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _joined(found: Path) -> tuple[dict[str, Any], int] | None:
    """The cluster named in the file, held. None if there is none, or if all its holders were killed."""
    if not found.exists():
        return None
    cluster: dict[str, Any] = json.loads(found.read_text())
    try:
        return cluster, hold(Path(cluster["folder"]))
    except OSError:
        return None


def _started() -> tuple[dict[str, Any], int]:
    server = PostgresServer(MAX_CONNECTIONS)
    server.start()
    migrated = server.create_database()
    store = Store(server.url(migrated))
    migrate(store)
    store.close()
    folder, held = server.leave()
    return {"folder": str(folder), "port": server.port, "migrated": migrated, "users": 0}, held
