"""Definitions read back from the database, parsed once."""

import threading
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from pydantic import ValidationError
from sqlalchemy.exc import NoResultFound

from campaigns.definition import Definition
from worker.logs import get_logger
from worker.store.engine import Store
from worker.store.runs.due_runs import starting_definitions
from worker.store.runs.versions import definition_bodies

AHEAD: Final = timedelta(seconds=5)
"""How long before their moment the campaign files of runs are read: 100 that start together take 0.2 s."""

KEPT: Final = 256
"""How many versions are kept, the last ones read: more than run at once."""


class Definitions:
    """The versions of campaign files in use, for all threads of a process. A version never changes, so it is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[int, Definition] = {}
        self._unreadable: set[int] = set()
        self._lock = threading.Lock()

    def get(self, definition_id: int) -> Definition:
        """Return the version with this id. Raises `sqlalchemy.exc.NoResultFound`."""
        known = self._kept.get(definition_id)
        if known is not None:
            return known
        found = self._read([definition_id])
        if not found:
            raise NoResultFound(f"there is no version {definition_id} of any campaign file")
        return found[definition_id]

    def find(self, definition_id: int) -> Definition | None:
        """Like `get`, but None for a version that cannot be read, such as a later release's; that is logged once."""
        try:
            return self.get(definition_id)
        except (ValidationError, NoResultFound):
            if definition_id not in self._unreadable:
                self._unreadable.add(definition_id)
                get_logger().error(
                    "definition.not_readable",
                    definition=definition_id,
                    advice="nothing of its campaign is sent; was it written by a later version of this program?",
                )
            return None

    def prepare(self, definition_ids: Collection[int]) -> None:
        """Read these ahead, together: reading and parsing 100 of them one by one takes 0.2 s (measured)."""
        missing = [id_ for id_ in definition_ids if id_ not in self._kept]
        if missing:
            with suppress(ValidationError):  # reported when it is needed
                self._read(missing[:KEPT])

    def prepare_starting(self, account_id: int, now: datetime) -> None:
        """Read ahead what the runs that start within `AHEAD` need."""
        with self._store.look() as connection:
            soon = starting_definitions(connection, account_id, until=now + AHEAD)
        self.prepare(soon)

    def _read(self, definition_ids: Collection[int]) -> dict[int, Definition]:
        with self._store.read() as session:
            bodies = definition_bodies(session, definition_ids)
        found = {id_: Definition.model_validate_json(body) for id_, body in bodies.items()}
        with self._lock:
            self._kept.update(found)
            for id_ in list(self._kept)[: max(0, len(self._kept) - KEPT)]:
                del self._kept[id_]
        return found
