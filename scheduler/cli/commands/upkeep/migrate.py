"""`migrate`: the tables of the database."""

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say


def migrate(json: AsJson = False) -> None:
    """Create the tables of the database, or bring them up to date.

    Harmless if they already are.
    """
    from scheduler.actions.upkeep import migrating
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    done = migrating.migrate(load_settings(), this_user())
    if json:
        print_json({"database": done.database, "revision": done.revision})
    else:
        say(f"the database {done.database} is at schema {done.revision}")
