"""`balance`, `contacts`: the gateway account and the contact lists that it keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.actions.numbers import normalised
from scheduler.cli.errors import Refused
from scheduler.cli.options import AsJson
from scheduler.cli.rendering.output import print_json, say

if TYPE_CHECKING:
    from worker.gateway import Contact, GatewayClient
    from worker.settings import Settings

ListId = Annotated[int, typer.Argument(metavar="LIST", min=1, help="The id of the contact list at the gateway.")]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="With +country, or of the region in the settings.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(balance)
    contacts = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Contact lists that the gateway keeps.")
    contacts.command("add")(add)
    contacts.command("unsubscribe")(unsubscribe)
    app.add_typer(contacts, name="contacts")


def balance(json: AsJson = False) -> None:
    """Show the credits of the gateway account."""
    from worker.settings import load_settings

    with _gateway(load_settings()) as gateway:
        credits_left = gateway.balance().credits
    if json:
        print_json({"credits": credits_left, "unlimited": credits_left is None})
    else:
        say("credits: unlimited" if credits_left is None else f"credits: {credits_left:,}")


def add(
    list_id: ListId,
    number: Number,
    name: Annotated[str | None, typer.Option("--name", help="The contact's name.")] = None,
    resubscribe: Annotated[
        bool, typer.Option("--resubscribe", help="Also if the contact has unsubscribed; only if they asked for it.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Put a number on a contact list.

    One that is there already counts as done. Example: campaigns contacts add 12 "+39 333 123 4567" --name Anna
    """
    from worker.settings import load_settings

    settings = load_settings()
    normal = normalised(number, settings)
    with _gateway(settings) as gateway:
        contact = gateway.add_contact(list_id, normal, name, resubscribe=resubscribe)
    _show(contact, f"{normal} is on list {list_id}", as_json=json)


def unsubscribe(list_id: ListId, number: Number, json: AsJson = False) -> None:
    """Take a number off a contact list.

    One that is not on it counts as done.
    """
    from worker.settings import load_settings

    settings = load_settings()
    normal = normalised(number, settings)
    with _gateway(settings) as gateway:
        contact = gateway.unsubscribe_contact(list_id, normal)
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


@contextmanager
def _gateway(settings: "Settings") -> Iterator["GatewayClient"]:
    """The account of the settings. Raises `SettingsError`, or `Refused` for an address that no gateway can have."""
    from campaigns.clock import SystemClock
    from worker.gateway import GatewayClient
    from worker.runtime import gateway_key

    key = gateway_key(settings, url=settings.gateway_url)
    try:
        client = GatewayClient(settings.gateway_url, key, clock=SystemClock(), ca_file=settings.ca_file)
    except ValueError as error:
        raise Refused(f"CAMPAIGNS_GATEWAY_URL: {error}") from None
    with client:
        yield client
