"""A world, played on an empty database and judged; and the databases for that."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.prove.steps.judge import StepsJudge, StepVerdicts
from tests.prove.steps.ledger import empty_book, keep_book
from tests.prove.steps.playing import Play
from tests.prove.steps.worlds import StepsWorld
from tests.store.store_world import empty
from tests.support.servers import PostgresServer
from worker.store.engine import Store
from worker.store.migrate import migrate


@dataclass(frozen=True, slots=True)
class Tried:
    """What a world showed, and how often it was disturbed."""

    verdicts: StepVerdicts
    kills: int
    takeovers: int
    meanwhile: int


def tried(world: StepsWorld, store: Store) -> Tried:
    """Play and judge a world, and leave the database empty."""
    with TemporaryDirectory(prefix="steps-") as name:
        play = Play(world, Path(name), store)
        try:
            play.play()
            return Tried(StepsJudge(play).verdicts(), play.kills, play.takeovers, play.meanwhile)
        finally:
            play.close()
            empty_book(store)
            empty(store)


@contextmanager
def on_sqlite() -> Iterator[Store]:
    """A database with a book, in a folder of its own."""
    with TemporaryDirectory(prefix="steps-") as name, _opened(f"sqlite:///{Path(name) / 'campaigns.db'}") as store:
        yield store


@contextmanager
def on_postgresql() -> Iterator[Store]:
    """A database with a book, on a server that keeps the moment of each commit."""
    with closing(PostgresServer()) as server:
        server.start()
        url = server.url(server.create_database())
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
        server.restart()
        with _opened(url) as store:
            yield store


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    with closing(Store(url)) as store:
        migrate(store)
        keep_book(store)
        yield store
