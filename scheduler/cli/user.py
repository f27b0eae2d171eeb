"""The user who types commands."""

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scheduler.actions.acting import Actor


def this_user() -> "Actor":
    """Return the user of this machine, for the record."""
    from scheduler.actions.acting import Actor, ActorKind

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = f"user {os.getuid()}"
    return Actor(ActorKind.CLI, name)
