"""The names of campaigns, for whoever is typing one."""

from typing import Final

from worker.store.engine import Store
from worker.store.reports.slugs import slugs_beginning

MOST_OFFERED: Final = 200


def newest_names(store: Store) -> list[str]:
    """Return the campaigns that a page offers to choose from, the newest first."""
    return slugs_beginning_with(store, "", most=MOST_OFFERED)


def slugs_beginning_with(store: Store, beginning: str, *, most: int) -> list[str]:
    """Return at most `most` campaigns whose name begins so, the newest first."""
    with store.read() as session:
        return slugs_beginning(session, beginning, most=most)
