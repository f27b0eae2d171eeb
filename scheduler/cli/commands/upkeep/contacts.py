"""`contacts`: the contact lists that the gateway keeps."""

from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from worker.gateway import Contact

ListId = Annotated[int, typer.Argument(metavar="LIST", min=1, help="The id of the contact list at the gateway.")]
Number = Annotated[
    str, typer.Argument(metavar="NUMBER", help="With +country, or as dialled in the region of the settings.")
]

contacts = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Contact lists that the gateway keeps.")


@contacts.command()
def add(
    list_id: ListId,
    number: Number,
    name: Annotated[str | None, typer.Option("--name", help="The contact's name.")] = None,
    resubscribe: Annotated[
        bool, typer.Option("--resubscribe", help="Even if the contact has unsubscribed; use it only if they asked.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Put a number on a contact list.

    One that is there already counts as done. Example: campaigns contacts add 12 "+39 333 123 4567" --name Anna
    """
    from scheduler.actions.upkeep.gateway_account import add_contact
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    normal, contact = add_contact(load_settings(), this_user(), list_id, number, name, resubscribe=resubscribe)
    _show(contact, f"{normal} is on list {list_id}", as_json=json)


@contacts.command()
def unsubscribe(list_id: ListId, number: Number, json: AsJson = False) -> None:
    """Take a number off a contact list.

    One that is not on it counts as done.
    """
    from scheduler.actions.upkeep.gateway_account import unsubscribe_contact
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    normal, contact = unsubscribe_contact(load_settings(), this_user(), list_id, number)
    _show(contact, f"{normal} gets nothing more that is sent to list {list_id}", as_json=json)


def _show(contact: "Contact", sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "list": contact.list_id,
                "number": contact.number,
                "name": contact.name,
                "subscribed": contact.subscribed,
                "id": contact.id,
            }
        )
    else:
        say(sentence)
