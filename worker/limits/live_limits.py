"""Limits that can change while the service runs: settings, what a person set, and what phones complain about."""

import dataclasses
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from campaigns.clock import Clock
from campaigns.definition import Rate
from campaigns.sending.slowing import Slowdown
from worker.limits.limits_in_force import Ceilings, CeilingsInForce
from worker.logs import get_logger
from worker.servers.troubles import Troubles
from worker.settings.files import ENV_FILE
from worker.settings.settings import Settings, SettingsError, load_settings
from worker.store.engine import Store
from worker.store.errors import STORE_FAILS
from worker.store.following.devices import stuck_devices
from worker.store.sending import account_limits as rows
from worker.store.sending import grants
from worker.store.sending.account_limits import ACCOUNT, CAMPAIGN, DEVICE, NO_DAILY, NO_RATE, PERSON, CeilingView

LOOK_SECONDS: Final = 0.5
"""How old the limits may be: a change takes effect on every worker within a second."""


def live_ceilings(
    store: Store, account_id: int, settings: Settings, clock: Clock, troubles: Troubles | None = None
) -> CeilingsInForce:
    """Return the live limits of an account, for all threads of a process."""
    return LiveCeilings(store, account_id, settings, clock, troubles or Troubles(clock))


class LiveCeilings:
    """Reads the database and `.env` at most every `LOOK_SECONDS`; in between it answers from memory."""

    def __init__(self, store: Store, account_id: int, settings: Settings, clock: Clock, troubles: Troubles) -> None:
        self._store = store
        self._account_id = account_id
        self._clock = clock
        self._troubles = troubles
        self._settings = LiveSettings(settings)
        self._lock = threading.Lock()
        self._next_look = clock.elapsed_seconds() + LOOK_SECONDS
        self._current = self._look()

    def current(self) -> Ceilings:
        """Return the limits in force now. A database that is away changes nothing."""
        # A thread that comes while another one looks gets the old limits: nobody waits for a limit.
        if self._clock.elapsed_seconds() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                self._change(self._look())
            except STORE_FAILS as error:
                self._troubles.failed("ceilings", error, event="ceilings.not_read")
            else:
                self._troubles.worked("ceilings")
            finally:
                self._next_look = self._clock.elapsed_seconds() + LOOK_SECONDS
                self._lock.release()
        return self._current

    def _look(self) -> Ceilings:
        now = self._clock.now()
        with self._store.read() as session:
            found = rows.ceilings_of(session, self._account_id)
            stuck = frozenset(device.device for device in stuck_devices(session, self._account_id))
        return dataclasses.replace(in_force(self._settings.current(), found, now), stuck=stuck)

    def _change(self, ceilings: Ceilings) -> None:
        if ceilings == self._current:
            return
        self._current = ceilings
        # Batches that wait for an hour or until tomorrow ask again: perhaps there is room now.
        with self._store.write("wake") as session:
            grants.wake_spent(session, self._account_id, now=self._clock.now())


class LiveSettings:
    """The limits among the settings. Those in `.env` are read again when it changes; the environment still wins."""

    def __init__(self, settings: Settings) -> None:
        self._file = ENV_FILE.absolute()
        self._changed_at = self._mtime()
        self._current = Ceilings.from_settings(settings)
        read = _read_again()
        # A value that differs from a fresh reading was set by the program (a rehearsal): no file changes it.
        self._ours = () if read is None else tuple(name for name, value in _fields(read) if value == self._value(name))

    def current(self) -> Ceilings:
        """Return the limits as the settings have them now. An unusable file is reported once and changes nothing."""
        changed_at = self._mtime()
        if changed_at != self._changed_at:
            self._changed_at = changed_at
            read = _read_again()
            if read is not None:
                values = {name: value for name, value in _fields(read) if name in self._ours}
                self._current = dataclasses.replace(self._current, **values)
                get_logger().info("settings.limits_read", file=".env")
        return self._current

    def _value(self, name: str) -> object:
        return getattr(self._current, name)

    def _mtime(self) -> int:
        try:
            return self._file.stat().st_mtime_ns
        except OSError:
            return 0


def _read_again() -> Ceilings | None:
    try:
        return Ceilings.from_settings(load_settings())
    except SettingsError as error:
        get_logger().warning("settings.not_usable", problem=str(error), advice="the limits in force stay as they are")
        return None


def _fields(ceilings: Ceilings) -> list[tuple[str, Any]]:
    """Return those that settings name; the others are kept by the name of what they limit."""
    names = (field.name for field in dataclasses.fields(ceilings) if field.default is None)
    return [(name, getattr(ceilings, name)) for name in names]


def in_force(settings: Ceilings, found: Sequence[CeilingView], now: datetime) -> Ceilings:
    """Return the limits of the settings, replaced by what a person set, lowered by what phones reported."""
    values: dict[str, Any] = {}
    device_rates: dict[str, Rate | None] = {}
    campaign_rates: dict[str, Rate | None] = {}
    campaign_daily: dict[str, int | None] = {}
    weights: dict[str, int] = {}
    for row in found:
        if row.source != PERSON or (row.until is not None and row.until <= now):
            continue
        slug = row.scope.removeprefix(CAMPAIGN)
        if row.rate:
            rate = None if row.rate == NO_RATE else rows.read_rate(row.rate)
            if row.scope == ACCOUNT:
                values["account_rate"] = rate
            elif row.scope.startswith(DEVICE):
                device_rates[row.scope.removeprefix(DEVICE)] = rate
            else:
                campaign_rates[slug] = rate
        if row.daily is not None:
            daily = None if row.daily == NO_DAILY else row.daily
            if row.scope == ACCOUNT:
                values["account_daily"] = daily
            else:
                campaign_daily[slug] = daily
        if row.weight is not None:
            weights[slug] = row.weight
    for target, slowdown in slowdowns(found).items():
        lowered = slowdown.rate_at(now)
        usual = device_rates.get(target, settings.device_rate)
        if lowered is not None and (usual is None or lowered.per_second < usual.per_second):
            device_rates[target] = lowered
    return dataclasses.replace(
        settings,
        device_rates=device_rates,
        campaign_rates=campaign_rates,
        campaign_daily=campaign_daily,
        weights=weights,
        **values,
    )


def slowdowns(found: Sequence[CeilingView]) -> Mapping[str, Slowdown]:
    """Return the devices that phones' reports slowed down, including those that have recovered since."""
    return {
        row.scope.removeprefix(DEVICE): Slowdown(rows.read_rate(row.rate), row.set_at, row.until)
        for row in found
        if row.source == rows.RECEIPTS and row.until is not None
    }
