"""The phones that sent texts, and the texts behind their figures."""

from datetime import datetime

from scheduler.actions.reading.pages import Page
from scheduler.actions.refusals import Refusal, Refused
from scheduler.report.devices import Device, devices_of
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.reports.recipients import IN_FIGURE, PhoneText, phone_texts_after
from worker.store.sending.accounts import accounts_by_key


def read_phones(store: Store, settings: Settings, *, now: datetime) -> list[Device]:
    """Return every device and SIM of every account: what waits there, what it sent, its limit, whether it is stuck."""
    with store.read() as session:
        return [
            device
            for account_id in sorted(accounts_by_key(session).values())
            for device in devices_of(session, account_id, settings, now=now)
        ]


def read_phone_texts(
    store: Store, account_id: int, device: int, sim: int | None, figure: str, *, after: int, limit: int
) -> Page[PhoneText]:
    """Return the texts behind a figure of a phone, the newest first. Raises `Refused` for an unknown figure."""
    if figure not in IN_FIGURE:
        sentence = f"there is no figure {figure}; use one of {', '.join(IN_FIGURE)}"
        raise Refused(Refusal.INVALID, sentence, field="figure")
    with store.read() as session:
        return Page(*phone_texts_after(session, account_id, device, sim, figure, after=after, limit=limit))
