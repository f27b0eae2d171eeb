"""The names of campaigns, for whoever is typing one."""

from worker.store.engine import Store
from worker.store.reports.slugs import slugs_beginning


def slugs_beginning_with(store: Store, beginning: str, *, most: int) -> list[str]:
    """Return at most `most` campaigns whose name begins so, the newest first."""
    with store.read() as session:
        return slugs_beginning(session, beginning, most=most)
