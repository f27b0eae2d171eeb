"""The database that was opened is never mistaken for another one, even if several processes look at the same time."""

import threading
from pathlib import Path

from worker.store.connections.same_database import SameDatabase
from worker.store.errors import Loss


def test_a_file_that_grows_while_many_look_at_it_is_still_the_same(tmp_path: Path) -> None:
    path = tmp_path / "campaigns.db"
    path.write_bytes(b"x")
    path.with_name("campaigns.db-wal").touch()
    same = SameDatabase(path)
    same.opened()
    losses: list[Loss | None] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            losses.append(same.loss())

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    with path.open("ab", buffering=0) as file:
        for _ in range(20_000):
            file.write(b"x")
    is_over.set()
    for thread in threads:
        thread.join()

    assert set(losses) == {None}
