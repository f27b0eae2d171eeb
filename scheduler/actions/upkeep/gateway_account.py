"""The gateway account, and the contact lists that it keeps."""

from collections.abc import Iterator
from contextlib import contextmanager

from campaigns.clock import SystemClock
from campaigns.phone_numbers.masking import mask
from scheduler.actions.acting import Actor, asked_by
from scheduler.actions.numbers import normalised
from scheduler.actions.opening import existing_store
from scheduler.actions.refusals import Refusal, Refused
from worker.gateway import Contact, GatewayClient
from worker.gateway_account import gateway_key
from worker.settings.settings import Settings
from worker.store.audit import append, head_of


def credits_left(settings: Settings) -> int | None:
    """Return the credits of the account; None: unlimited. Raises `SettingsError`, `Refused` and `GatewayError`."""
    with _gateway(settings) as gateway:
        return gateway.balance().credits


def add_contact(
    settings: Settings, actor: Actor, list_id: int, number: str, name: str | None = None, *, resubscribe: bool = False
) -> tuple[str, Contact]:
    """Put a number, as people write it, on a contact list; return it in E.164. A contact already there counts as done.

    `resubscribe`: also if the contact has unsubscribed. Raises as `credits_left`.
    """
    normal = normalised(number, settings.region)
    with _audited(settings, actor, "contact_added", list_id, normal), _gateway(settings) as gateway:
        return normal, gateway.add_contact(list_id, normal, name, resubscribe=resubscribe)


def unsubscribe_contact(settings: Settings, actor: Actor, list_id: int, number: str) -> tuple[str, Contact]:
    """Take a number, as people write it, off a contact list. A number that is not on it counts as done."""
    normal = normalised(number, settings.region)
    with _audited(settings, actor, "contact_unsubscribed", list_id, normal), _gateway(settings) as gateway:
        return normal, gateway.unsubscribe_contact(list_id, normal)


@contextmanager
def _audited(settings: Settings, actor: Actor, action: str, list_id: int, number: str) -> Iterator[None]:
    """Write to the audit what the gateway did in the block, if it did; nothing where no campaign was ever stored.

    The gateway has no part in a transaction: a process that is killed in between leaves no entry.
    """
    with asked_by(actor), existing_store(settings) as store:
        if store is not None:
            with store.read() as session:
                head_of(session)  # a database that cannot have the entry stops it beforehand
        yield
        if store is not None:
            with store.write("contact") as session:
                now = SystemClock().now()
                append(session, actor, action, now=now, subject=mask(number), detail={"list": list_id})


@contextmanager
def _gateway(settings: Settings) -> Iterator[GatewayClient]:
    key = gateway_key(settings, url=settings.gateway_url)
    try:
        client = GatewayClient(settings.gateway_url, key, clock=SystemClock(), ca_file=settings.ca_file)
    except ValueError as error:
        raise Refused(Refusal.INVALID, f"CAMPAIGNS_GATEWAY_URL: {error}") from None
    with client:
        yield client
