"""The people whom the phones of a campaign texted this month: a plan counts on from there, if they have a budget."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.periods import month_of
from campaigns.definition import Definition
from campaigns.forecast import Agenda
from campaigns.money.costs import Pricing
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.store.engine import Store
from worker.store.people import people_on_record
from worker.store.people.device_people import ANY_DEVICE, device_key

_BY_NAME: Final = "CAMPAIGNS_DEVICE_PEOPLE_MONTHLY counts each name of a phone apart;"
_ONE_WAY: Final = "name phones the same way in devices.use of all campaigns"


@dataclass(frozen=True, slots=True)
class MonthSoFar:
    """How many people each phone texted, and a look at who of some numbers was among them; None: nobody asks."""

    used: Mapping[str, int] = field(default_factory=dict)
    texted: Callable[[Sequence[str]], Collection[tuple[str, str]]] | None = None

    def agenda(self, definition: Definition, pricing: Pricing | None = None) -> Agenda:
        """Return an empty agenda for the campaign's phones."""
        phones = [device_key(route.targets) for route in routes(definition, first=0)]
        ranking = definition.devices.ranking
        return Agenda(definition.schedule, phones, ranking=ranking, texted=self.texted, pricing=pricing)

    def warnings(self, definition: Definition) -> Iterator[str]:
        """Yield why phones of the campaign may text more people this month than their budget: it counts by name."""
        mine = {device_key(route.targets) for route in routes(definition, first=0)}
        named = sorted(name for name in self.used if name != ANY_DEVICE)
        if ANY_DEVICE in mine:
            if named:
                yield f"{_BY_NAME} the gateway chooses the phone, and people do not count for {named[0]}: {_ONE_WAY}"
            return
        if ANY_DEVICE in self.used:
            yield f"{_BY_NAME} people whose phone the gateway chose this month count for none of these: {_ONE_WAY}"
        phones = {name.partition("|")[0]: name for name in mine}
        for name in named:
            ours = phones.get(name.partition("|")[0], name)
            if ("|" in ours) is not ("|" in name):
                yield f"{_BY_NAME} people texted as {name} this month do not count for {ours}: {_ONE_WAY}"
                return


def month_so_far(
    store: Store | None, account_id: int, ceilings: Ceilings, zone: ZoneInfo, *, now: datetime
) -> MonthSoFar:
    """Return what is known of the month of `zone` at `now`; nothing without a budget of people, or without a store."""
    if store is None or ceilings.device_people_monthly is None:
        return MonthSoFar()
    month = month_of(now, zone)

    def texted(numbers: Sequence[str]) -> Collection[tuple[str, str]]:
        with store.read() as session:
            return people_on_record.texted(session, account_id, month, numbers)

    with store.read() as session:
        return MonthSoFar(people_on_record.used_by(session, account_id, month), texted)
