"""The people whom the phones of a campaign texted this month: a plan counts on from there, if they have a budget."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.calendar.periods import month_of
from campaigns.definition import Definition
from campaigns.forecast import Agenda
from campaigns.money.costs import Pricing
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.store.engine import Store
from worker.store.people import people_on_record
from worker.store.people.device_people import device_key


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
