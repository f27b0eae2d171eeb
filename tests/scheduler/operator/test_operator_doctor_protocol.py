"""What the doctor finds out about a gateway by reading, for one with each flaw that it looks for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr

from scheduler.doctor.findings import Standing
from scheduler.doctor.protocol import check_protocol
from tests.support.clocks import START, FakeClock
from worker.gateway import GatewayClient
from worker.store.health import KnownMessage

SENT_LATE = START + timedelta(minutes=5)


@dataclass
class Reads:
    """A gateway that has three messages of one group, and answers reads correctly, or with one flaw."""

    flaw: str = ""
    asked: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        assert request.url.path.endswith("read-messages.php"), "the doctor only reads"
        self.asked.append(form)
        if self.flaw == "fails" and "status" in form:
            return self._reply(None)
        return self._reply([row for id_ in (11, 12, 13) if self._shows(form, row := self._row(id_))])

    def _shows(self, form: Mapping[str, str], row: Mapping[str, Any]) -> bool:
        if "id" in form:
            return self.flaw != "no id" and form["id"] == str(row["ID"])
        if "groupId" in form:
            return form["groupId"] == "g" and not (self.flaw == "short group" and row["ID"] == 12)
        if self.flaw == "no window":
            return True
        moment = START if self.flaw == "window of acceptance" else SENT_LATE
        in_window = int(form["startTimestamp"]) <= moment.timestamp() <= int(form["endTimestamp"])
        return in_window and form["status"] == row["status"] and not (self.flaw == "blind" and row["ID"] == 12)

    def _row(self, id_: int) -> dict[str, Any]:
        return {
            "ID": id_,
            "number": "+393339999999" if self.flaw == "another gateway" else f"+3933310000{id_}",
            "message": "Hi",
            "deviceID": 1,
            "simSlot": 0,
            "status": "Sent",
            "sentDate": (START if self.flaw == "sent at once" else SENT_LATE).isoformat(),
            "deliveredDate": None,
            "groupID": "g",
        }

    def _reply(self, rows: list[dict[str, Any]] | None) -> httpx.Response:
        error = {"code": 500, "message": "Something broke"}
        body = {"success": rows is not None, "data": {"messages": rows}, "error": None if rows is not None else error}
        return httpx.Response(200, content=json.dumps(body))


def known(**changes: Any) -> list[KnownMessage]:
    """What our own database says about the three messages, newest first."""
    facts: dict[str, Any] = {"group_id": "g", "accepted_at": START, "id_floor": 10} | changes
    return [KnownMessage(gateway_id=id_, number=f"+3933310000{id_}", **facts) for id_ in (13, 12, 11)]


def examined(reads: Reads, messages: list[KnownMessage]) -> dict[str, Standing]:
    """Every finding: its sentence and standing."""
    transport = httpx.MockTransport(reads)
    with GatewayClient("http://gateway.test", SecretStr("s3cret"), clock=FakeClock(), transport=transport) as client:
        return {f.says: f.standing for f in check_protocol(client, messages, START + timedelta(hours=1))}


def test_a_gateway_that_keeps_every_assumption() -> None:
    assert examined(Reads(), known()) == {
        "a read that finds nothing is understood": Standing.OK,
        "a message is found by its ID": Standing.OK,
        "a read by group shows all 3 messages of it": Standing.OK,
        "reads by status and time show all 3 messages of the last minutes of sending": Standing.OK,
        "a time window compares the date at which the phone sent": Standing.OK,
        "IDs grow: 3 messages have IDs above every ID seen before their requests": Standing.OK,
    }


@pytest.mark.parametrize(
    ("flaw", "standing", "sentence"),
    [
        ("no window", Standing.PROBLEM, "asked for a day of 2001, the gateway shows 3 messages"),
        ("no id", Standing.PROBLEM, "the gateway does not show message 13 by its ID"),
        ("another gateway", Standing.PROBLEM, "message 13 is to somebody else"),
        ("short group", Standing.PROBLEM, "of 3 messages of a group, a read of the group does not show 1"),
        ("blind", Standing.PROBLEM, "of 3 messages the reads by status and time do not show 1"),
        ("fails", Standing.PROBLEM, "a read failed: "),
        ("fails", Standing.PROBLEM, "asked for a day of 2001, before any message, the gateway answers"),
        ("window of acceptance", Standing.OK, "a time window compares the date at which the gateway accepted"),
        ("sent at once", Standing.UNKNOWN, "no message shows which date a time window compares"),
    ],
)
def test_a_gateway_with_one_flaw(flaw: str, standing: Standing, sentence: str) -> None:
    found = examined(Reads(flaw), known())

    assert any(said.startswith(sentence) and seen is standing for said, seen in found.items()), found


def test_ids_below_their_floor_are_a_problem() -> None:
    found = examined(Reads(), known(id_floor=12))

    (said,) = [said for said, standing in found.items() if standing is Standing.PROBLEM]
    assert said.startswith("2 messages have IDs below those seen before their requests")


def test_messages_without_a_group_are_no_problem() -> None:
    found = examined(Reads(), known(group_id=None))

    assert found["the gateway gave the newest message no group"] is Standing.UNKNOWN


def test_where_nothing_was_sent_lately_only_the_empty_read_is_tried() -> None:
    reads = Reads()

    found = examined(reads, [])

    assert len(reads.asked) == 1
    assert Standing.PROBLEM not in found.values()
