"""The phones of an account, for people: what they sent, what waits there, their limit, and whether they are stuck."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from campaigns.calendar.periods import month_of
from campaigns.counting import amount
from campaigns.definition import Definition, DeviceMode
from campaigns.display import phone_words, shown_time, utc
from campaigns.following.results import result_advice, result_words
from campaigns.lifecycle import RecipientState
from scheduler.report.shown.shapes import DeviceShape
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_limits import in_force
from worker.settings.settings import Settings
from worker.store.following import devices
from worker.store.following.devices import DeviceView, Stuck
from worker.store.people import people_on_record
from worker.store.reports.choices import NONE
from worker.store.reports.counts import Failures
from worker.store.sending import account_limits


@dataclass(frozen=True, slots=True)
class Device:
    """A device or SIM as `campaigns devices` shows it. `rate`: its current limit in segments; empty if it has none.

    `people`: how many different ones it texted this month, of `people_monthly`; None without such a limit.
    """

    account_id: int
    seen: DeviceView
    rate: str
    stuck: Stuck | None
    people: int | None = None
    people_monthly: int | None = None

    @property
    def name(self) -> str:
        """Its name in `devices.use`."""
        return str(self.seen.device) if self.seen.sim is None else f"{self.seen.device}|{self.seen.sim}"

    def as_json(self) -> DeviceShape:
        """Return the object of `--json`."""
        seen, stuck = self.seen, self.stuck
        return {
            "device": seen.device,
            "sim": seen.sim,
            "waiting": seen.waiting,
            "sent": seen.sent,
            "failed": seen.failed,
            "last_sent_at": utc(seen.last_sent_at),
            "rate": self.rate or None,
            "people": self.people,
            "people_monthly": self.people_monthly,
            "stuck": None if stuck is None else {"since": utc(stuck.since), "oldest_at": utc(stuck.oldest_at)},
        }


def devices_of(session: Session, account_id: int, settings: Settings, *, now: datetime) -> Iterator[Device]:
    """Yield every device and SIM that sent texts of the account."""
    current = in_force(Ceilings.from_settings(settings), account_limits.ceilings_of(session, account_id), now)
    stuck = {device.device: device for device in devices.stuck_devices(session, account_id)}
    people = people_of_month(session, account_id, current, settings.zone, now=now)
    for seen in devices.devices_seen(session, account_id):
        names = (str(seen.device), f"{seen.device}|{seen.sim}")
        rate = next((current.device_rates[name] for name in names if name in current.device_rates), current.device_rate)
        texted = None if current.device_people_monthly is None else max(people.get(name, 0) for name in names)
        yield Device(
            account_id,
            seen,
            "" if rate is None else str(rate),
            stuck.get(seen.device),
            texted,
            current.device_people_monthly,
        )


def people_of_month(
    session: Session, account_id: int, ceilings: Ceilings, zone: ZoneInfo, *, now: datetime
) -> dict[str, int]:
    """Return how many different people each phone texted this month, by its name in `devices.use` (`any`: the phones
    that the gateway chooses); nothing without a budget of people. A SIM's include those of its phone without a SIM.
    """
    if ceilings.device_people_monthly is None:
        return {}
    return people_on_record.used_by_sim(session, account_id, month_of(now, zone))


def stuck_words(stuck: Stuck, zone: ZoneInfo) -> str:
    """Return what is wrong with a stuck phone, and what to do."""
    waits = f"{amount(stuck.waiting, 'text')} {'waits' if stuck.waiting == 1 else 'wait'}"
    return (
        f"{phone_words(stuck.device)} is stuck: {waits} there since {shown_time(stuck.oldest_at, zone)} and none is "
        "sent; texts not sent yet go through the campaign's other phones, if it names any. Check whether the phone is "
        "on, has a connection and runs the gateway's app; it is used again as soon as it sends"
    )


def stuck_lines(
    definition: Definition, stuck: Sequence[Stuck], waiting: Mapping[int, int], unsent: int
) -> Iterator[str]:
    """Yield what stuck phones mean for one campaign, for people without commands; phones it does not use are left out.

    `waiting`: device -> texts of the campaign that it holds. `unsent`: texts that no phone has been given.
    """
    used, zone = definition.devices, definition.schedule.zone
    names = {target.device for target in used.use}
    idle = {device.device for device in stuck}
    others = [phone_words(target.device, target.slot) for target in used.use if target.device not in idle]
    for device in stuck:
        here = waiting.get(device.device, 0)
        if not here and not (unsent and device.device in names):
            continue
        which, since = phone_words(device.device).capitalize(), shown_time(device.oldest_at, zone)
        line = f"{which} has held texts since {since} and sends none"
        line += f": {amount(here, 'text')} of this campaign {'waits' if here == 1 else 'wait'} there." if here else "."
        if unsent and (used.random or used.mode is not DeviceMode.SPECIFIED or not names):
            line += f" The gateway chooses the phone of {amount(unsent, 'text')} not sent yet."
        elif unsent and others:
            by = " and ".join(others)
            line += f" {amount(unsent, 'text')} not sent yet {'goes' if unsent == 1 else 'go'} through {by} instead."
        elif unsent:
            line += f" {amount(unsent, 'text')} not sent yet cannot go through another one: the campaign names none."
        yield f"{line} Check whether it is on, has a connection and runs the gateway's app."


def failure_words(found: Sequence[Failures]) -> Iterator[str]:
    """Yield why texts failed: `9 the phone has no service (phone 2): check where the phone is ...`."""
    return (f"{entry.count:,} {why_failed(entry)}" for entry in found)


def why_failed(entry: Failures) -> str:
    """Return why texts failed, without how many they are."""
    where = "" if entry.device is None else f" ({phone_words(entry.device)})"
    if entry.result_code is None:
        return f"{entry.reason or 'for no known reason'}{where}"
    return f"{result_words(entry.result_code)}{where}: {result_advice(entry.result_code)}"


def whose_failed(entry: Failures) -> dict[str, Any]:
    """Return the filter of a run's recipients for exactly those whose texts failed like this."""
    return {
        "state": RecipientState.FAILED.value,
        "reason": entry.reason or NONE,
        "device": NONE if entry.device is None else entry.device,
        "result_code": NONE if entry.result_code is None else entry.result_code,
    }
