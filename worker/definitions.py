"""Definitions read back from the database, parsed once."""

from functools import lru_cache

from campaigns.definition import Definition
from worker.store.engine import Store
from worker.store.runs import definition_body


class Definitions:
    """The versions of campaign files in use. A version never changes, so it may be kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cached = lru_cache(maxsize=256)(self._load)

    def get(self, definition_id: int) -> Definition:
        """The version with this id. Raises `sqlalchemy.exc.NoResultFound`."""
        return self._cached(definition_id)

    def _load(self, definition_id: int) -> Definition:
        with self._store.read() as session:
            body = definition_body(session, definition_id)
        return Definition.model_validate_json(body)
