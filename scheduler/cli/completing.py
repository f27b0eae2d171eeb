"""Completion with Tab of arguments that name something in the database."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout, suppress
from threading import Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from worker.settings.settings import Settings

COMPLETE: Final = "_CAMPAIGNS_COMPLETE"
"""The variable by which a shell's script asks the program for names."""

PATIENCE_SECONDS: Final = 2.0
"""How long the database may take: a person who pressed Tab is waiting. One that is away takes 10 s to fail."""

MOST: Final = 200
"""How many names are offered at once."""

_SLUG: Final = re.compile("[a-z0-9-]+")
"""A shell evaluates what it gets: write access to the database must not run programs. Tests are `test:` and a slug."""


def campaign_names(incomplete: str) -> list[str]:
    """Return the campaigns whose names begin so; none if the database does not say so in time. Never raises."""
    found: list[str] = []
    # The shell takes what is printed for names, and shows errors in the middle of the line that is being typed.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), suppress(Exception):
        from scheduler.actions import opening  # noqa: F401 - they take a second, which is not the database's
        from scheduler.actions.reading import names  # noqa: F401 - as above
        from worker.settings.settings import load_settings

        looking = Thread(target=_look, args=(load_settings(), incomplete, found), daemon=True)
        looking.start()
        looking.join(PATIENCE_SECONDS)
    return list(found)


def _look(settings: "Settings", incomplete: str, found: list[str]) -> None:
    from scheduler.actions.opening import existing_store
    from scheduler.actions.reading.names import slugs_beginning_with

    with suppress(Exception), existing_store(settings) as store:
        if store is not None:
            found += filter(_SLUG.fullmatch, slugs_beginning_with(store, incomplete, most=MOST))
