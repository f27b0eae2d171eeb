"""`completion`: shell completion of commands, options and names of campaigns."""

from enum import StrEnum
from typing import Annotated

import typer

from scheduler.cli.completing import COMPLETE


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print the script with which a shell completes commands, options and names of campaigns.

    For bash, add this line to ~/.bashrc: source <(campaigns completion bash)
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="campaigns", complete_var=COMPLETE, shell=shell.value))
