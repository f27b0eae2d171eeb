"""Short transactions of several threads: one commit for all of them, and nobody is answered before it."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from worker.store.connections import group_commit
from worker.store.engine import Store
from worker.store.migrate import migrate

THREADS = 8


class Counted:
    """A store, and how often it has committed."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(f"sqlite:///{folder / 'campaigns.db'}")
        migrate(self.store)
        with self.store.write() as session:
            session.execute(sa.text("CREATE TABLE note (id INTEGER PRIMARY KEY, word TEXT UNIQUE NOT NULL)"))
        self.commits = 0
        sa.event.listen(self.store.engine, "commit", self._count)

    def _count(self, _: sa.Connection) -> None:
        self.commits += 1

    def words(self) -> set[str]:
        """What another process sees now."""
        with closing(sqlite3.connect(str(self.store.sqlite_path))) as connection:
            return {word for (word,) in connection.execute("SELECT word FROM note")}


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    monkeypatch.setattr(group_commit, "MOST_SECONDS", 60)  # on a busy machine a group is open for longer than 0.05 s
    made = Counted(tmp_path)
    yield made
    made.store.close()


def note(session: Session, word: str) -> None:
    session.execute(sa.text("INSERT INTO note (word) VALUES (:word)"), {"word": word})


@contextmanager
def occupied(counted: Counted) -> Iterator[threading.Event]:
    """Others that begin meanwhile wait until the event is set, and then find each other waiting."""
    go = threading.Event()
    began = threading.Event()

    def hold() -> None:
        with counted.store.write() as session:
            note(session, "alone")
            began.set()
            go.wait(10)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert began.wait(10)
        yield go
        held.result()


def all_wait(counted: Counted) -> None:
    waiting = counted.store._writers._waiting  # type: ignore[union-attr]  # the store of this test is SQLite
    deadline = threading.Event()
    for _ in range(1000):
        if len(waiting) == THREADS:
            return
        deadline.wait(0.01)
    raise AssertionError("the threads do not wait for their turn")


def test_threads_that_wait_for_each_other_share_a_commit(counted: Counted) -> None:
    def write(place: int) -> set[str]:
        with counted.store.write(is_short=True) as session:
            note(session, f"word {place}")
        return counted.words()  # it is answered: what it wrote is there for everybody

    with ThreadPoolExecutor(THREADS) as pool, occupied(counted) as go:
        answers = [pool.submit(write, place) for place in range(THREADS)]
        all_wait(counted)
        counted.commits = 0
        go.set()
        seen = [answer.result(10) for answer in answers]
    assert all(f"word {place}" in words for place, words in enumerate(seen))
    assert counted.commits == 2, "one of the thread that came first, and one for all the others"


def test_one_that_fails_takes_nobody_along(counted: Counted) -> None:
    def write(place: int) -> None:
        with counted.store.write(is_short=True) as session:
            note(session, f"word {place}")
            if place % 2:
                note(session, "alone")  # is there already

    with ThreadPoolExecutor(THREADS) as pool, occupied(counted) as go:
        answers = [pool.submit(write, place) for place in range(THREADS)]
        all_wait(counted)
        go.set()
        errors = [answer.exception(10) for answer in answers]
    assert [isinstance(error, sa.exc.IntegrityError) for error in errors] == [False, True] * (THREADS // 2)
    assert [error for error in errors[::2] if error is not None] == []
    assert counted.words() == {"alone"} | {f"word {place}" for place in range(0, THREADS, 2)}


def test_a_block_that_takes_its_own_back_leaves_the_others_theirs(counted: Counted) -> None:
    def write(place: int) -> None:
        with counted.store.write(is_short=True) as session:
            note(session, f"word {place}")
            if place % 2:
                session.rollback()

    with ThreadPoolExecutor(THREADS) as pool, occupied(counted) as go:
        answers = [pool.submit(write, place) for place in range(THREADS)]
        all_wait(counted)
        go.set()
        for answer in answers:
            answer.result(10)
    assert counted.words() == {"alone"} | {f"word {place}" for place in range(0, THREADS, 2)}


def test_nobody_is_answered_if_the_commit_fails(counted: Counted) -> None:
    def write(place: int) -> None:
        with counted.store.write(is_short=True) as session:
            note(session, f"word {place}")

    def refuse_the_second(_: sa.Connection) -> None:
        if counted.commits == 2:
            raise sa.exc.OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))

    with ThreadPoolExecutor(THREADS) as pool, occupied(counted) as go:
        answers = [pool.submit(write, place) for place in range(THREADS)]
        all_wait(counted)
        counted.commits = 0
        sa.event.listen(counted.store.engine, "commit", refuse_the_second)
        go.set()
        errors = [answer.exception(10) for answer in answers]
    assert all(isinstance(error, sa.exc.OperationalError) for error in errors)
    assert counted.words() == {"alone"}
    write(100)
    assert "word 100" in counted.words(), "the next one begins anew"


def test_a_full_disk_is_told_to_everybody_whose_work_it_undid(counted: Counted) -> None:
    def write(place: int) -> None:
        with counted.store.write(is_short=True) as session:
            if place == THREADS - 1:
                pages = session.execute(sa.text("PRAGMA page_count")).scalar_one()
                session.execute(sa.text(f"PRAGMA max_page_count = {pages}"))
                try:
                    for piece in range(200):
                        note(session, f"{place} {piece} {'x' * 4000}")
                finally:
                    session.connection().connection.execute("PRAGMA max_page_count = 1073741823")
            else:
                note(session, f"word {place}")

    with ThreadPoolExecutor(THREADS) as pool, occupied(counted) as go:
        answers = [pool.submit(write, place) for place in range(THREADS)]
        all_wait(counted)
        go.set()
        errors = [answer.exception(10) for answer in answers]
    stored = counted.words()
    assert [error is None for error in errors[:-1]] == [f"word {place}" in stored for place in range(THREADS - 1)]
    assert isinstance(errors[-1], sa.exc.OperationalError)
    assert "full" in str(errors[-1].orig)


def test_a_long_transaction_does_not_keep_the_others_waiting_for_its_commit(counted: Counted) -> None:
    """One that is not short begins only when the open group is committed, and its failure is its own."""

    def short(place: int) -> set[str]:
        with counted.store.write(is_short=True) as session:
            note(session, f"word {place}")
        return counted.words()

    def long() -> None:
        with counted.store.write() as session:
            note(session, "long")
            note(session, "long")

    with ThreadPoolExecutor(THREADS) as pool, occupied(counted) as go:
        answers = [pool.submit(short, place) for place in range(THREADS - 1)]
        last = pool.submit(long)
        all_wait(counted)
        go.set()
        assert all(f"word {place}" in answer.result(10) for place, answer in enumerate(answers))
        assert isinstance(last.exception(10), sa.exc.IntegrityError)
    assert "long" not in counted.words()
