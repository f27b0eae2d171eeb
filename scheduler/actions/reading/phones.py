"""The phones that sent texts."""

from datetime import datetime

from scheduler.report.devices import Device, devices_of
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.sending.accounts import accounts_by_key


def read_phones(store: Store, settings: Settings, *, now: datetime) -> list[Device]:
    """Return every device and SIM of every account: what waits there, what it sent, its limit, whether it is stuck."""
    with store.read() as session:
        return [
            device
            for account_id in sorted(accounts_by_key(session).values())
            for device in devices_of(session, account_id, settings, now=now)
        ]
