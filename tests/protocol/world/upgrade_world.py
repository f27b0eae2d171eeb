"""A database as an earlier schema version stored it, in every state an upgrade may find; without any code of then."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import worker.store
from campaigns.codes import PausedBy, RunType, WaitsFor
from campaigns.definition import Definition
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.migrate import schema_change

QUARANTINE: Final = (
    "the database is older than what was sent from it (a restored backup or a fail-over); "
    "let the gateway be swept for what it forgot: campaigns recover"
)
REHEARSAL: Final = (
    "the database is older than what was sent from it (it was removed or restored); if only rehearsals were sent "
    "from it, stop, remove its file and those beside it that begin with its name (campaigns.db*), and start again; "
    "otherwise rehearse with another one, such as CAMPAIGNS_DATABASE_URL=sqlite:///rehearsal.db"
)
NEW_GATEWAY: Final = (
    "the gateway gave IDs that it had given before: it was set up anew or restored, or another one has its address; "
    "nothing is sent and no receipt believed; if it is the right one, tell it: campaigns resume CAMPAIGN --new-gateway"
)
MOVING: Final = "being moved to new; finish that with campaigns move --to, or give it up with campaigns move --undo"
MOVED: Final = (
    "moved to new on 2026-11-30 09:00 UTC and sends nothing any more; set CAMPAIGNS_DATABASE_URL to that address"
)
LATE: Final = "a request that had been concluded as lost arrived after all; somebody may have got a text twice"
NO_CREDITS: Final = "The account has not enough credits; buy some, and sending goes on by itself."
NO_CONNECTION: Final = "No connection to the gateway (timed out); nothing was sent. Check CAMPAIGNS_GATEWAY_URL."
REFUSED: Final = "the gateway refused 10 of 20 recipients; look at the reasons, then resume"
FAILED: Final = "the last 5 requests failed, and the gateway has nothing of them; it answered with HTTP 500; see what"
DEVICE: Final = "A device of the request does not exist on the gateway; correct devices.use."
SOON: Final = START + timedelta(minutes=1)

ACCOUNTS: Final = (
    # reason, when it is probed -> by whom, what is left to be reported
    ("", None, PausedBy.NOBODY, ""),
    (NO_CREDITS, SOON, PausedBy.GATEWAY, NO_CREDITS),
    (LATE, None, PausedBy.ALARM, LATE),
    (QUARANTINE, None, PausedBy.QUARANTINE, ""),
    (REHEARSAL, None, PausedBy.QUARANTINE, REHEARSAL),
    (NEW_GATEWAY, None, PausedBy.NEW_GATEWAY, ""),
    (MOVING, None, PausedBy.RELOCATION, MOVING),
    (MOVED, None, PausedBy.RELOCATION, MOVED),
)

WAITING: Final = (
    # reason of a planned batch -> its code, and the reason that is left
    ("", WaitsFor.NOTHING, ""),
    ("waiting for the throttle", WaitsFor.THROTTLE, ""),
    ("the budget of the day or month is spent", WaitsFor.BUDGET, ""),
    ("outside the window", WaitsFor.WINDOW, ""),
    ("too many requests in doubt", WaitsFor.DOUBT, ""),
    ("numbers in doubt elsewhere", WaitsFor.NUMBER, ""),
    ("waits for its frequency cap", WaitsFor.CAP, ""),
    ("the frequency cap was reached just now", WaitsFor.CAP_PASSED, ""),
    ("people who opted out are taken off the contact list first", WaitsFor.OPT_OUTS, ""),
    ("outcome unknown", WaitsFor.RETRY, "outcome unknown"),
    ("declared not sent by a person", WaitsFor.RETRY, "declared not sent by a person"),
    (NO_CONNECTION, WaitsFor.BACK_OFF, NO_CONNECTION),
)

PAUSES: Final = (
    ("paused by hand", PausedBy.PERSON, ""),
    (REFUSED, PausedBy.ALARM, REFUSED),
    (FAILED, PausedBy.ALARM, FAILED),
    (DEVICE, PausedBy.GATEWAY, DEVICE),
)

KINDS: Final = (
    # campaign, moment, of whom it sends again -> type
    ("once", "once", None, RunType.ONCE),
    ("weekly", "2026-11-30T09:00:00Z", None, RunType.FIRING),
    ("visits", "2026-11-30", None, RunType.REMINDER_DAY),
    ("once", "resend-1", "once", RunType.RESEND),
    ("test:once", "test-2026-11-30T09:00:00.000000Z", None, RunType.TEST),
    ("help-answers", "2026-11-30", None, RunType.HELP),
)


def at_schema(store: Store, revision: str) -> None:
    """Create the tables of this schema version."""
    config = Config()
    config.set_main_option("script_location", str(Path(worker.store.__file__).parent / "migrations"))
    with schema_change(store) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@dataclass
class Old:
    """Writes rows into the tables as they are, whatever today's code makes of them."""

    store: Store
    revision: str
    tables: sa.MetaData = field(default_factory=sa.MetaData)
    numbers: int = 0

    def __post_init__(self) -> None:
        if self.store.sqlite_path is not None:
            self.store.sqlite_path.touch()
        at_schema(self.store, self.revision)
        with self.store.engine.connect() as connection:
            self.tables.reflect(connection)

    def add(self, name: str, /, **values: Any) -> int:
        """Add a row with those of these values that the version knows; return its id."""
        table = self.tables.tables[name]
        known = {column: value for column, value in values.items() if column in table.c}
        with self.store.engine.begin() as connection:
            key = connection.execute(table.insert().values(**known)).inserted_primary_key
            assert key is not None
            return int(key[0])

    def account(self, key: str, reason: str = "", probe_at: datetime | None = None, told: tuple[str, ...] = ()) -> int:
        return self.add(
            "account", key=key, paused_reason=reason, paused_at=START if reason else None, next_probe_at=probe_at,
            failures=0, told=list(told), probes=0, clock_offsets=[], highest_gateway_id=0, met_at=START,
            received_until=START, received_id=0, paused_by="",
        )  # fmt: skip

    def run(self, account: int, campaign: str, state: str = "running", **values: Any) -> int:
        """Add a run of a campaign of its own, or (`campaign_id`) of an existing one."""
        definition = Definition.model_validate(
            {"campaign": "sale", "message": campaign, "audience": [{"recipients": [{"number": "1"}]}]}
        )
        if "campaign_id" not in values:
            values["campaign_id"] = self.add("campaign", slug=campaign, rehearsal=False, created_at=START)
            values["definition_id"] = self.add(
                "definition", campaign_id=values["campaign_id"], content_hash=definition.content_hash,
                source=f"{campaign}.yaml", body=definition.model_dump_json(), created_at=START,
            )  # fmt: skip
        return self.add(
            "run",
            **{
                "account_id": account, "moment": "once", "kind": "marketing", "state": state, "reason": "",
                "resume_to": "running" if state == "paused" else "", "starts_at": START, "follow_seconds": 3_600.0,
                "plan_hash": "", "approved_hash": "", "plan_summary": {}, "created_at": START, "planned_at": START,
                "started_at": START, "read_requests": 0, "type": "once", "paused_by": "",
            }
            | values,
        )  # fmt: skip

    def batch(self, run: int, state: str, reason: str = "", *, people: str = "pending", **values: Any) -> int:
        """Add a request to two people in one state (`people`)."""
        id_ = self.add(
            "batch",
            **{
                "run_id": run, "ordinal": self.numbers, "state": state, "zones": "", "moment": START,
                "not_before": START, "attempt": 0, "recipients": 2, "segments": 2, "target": "", "reason": reason,
                "queued_at": START if state == "queued" else None, "waits_for": "",
            }
            | values,
        )  # fmt: skip
        for _ in range(2):
            self.recipient(run, people, batch_id=id_, attempts=int(state in {"sending", "unknown"}))
        return id_

    def recipient(self, run: int, state: str, **values: Any) -> int:
        self.numbers += 1
        return self.add(
            "recipient",
            **{
                "run_id": run, "number": f"+39333{self.numbers:07}", "occurrence": 0, "slot": "", "source": "p.csv",
                "line": self.numbers, "state": state, "reason": "", "variant": "", "text": f"Ciao {self.numbers}",
                "segments": 1, "attempts": 0, "retries": 0, "again": 0, "gateway_retries": 0, "resent_count": 0,
                "is_superseded": False,
            }
            | values,
        )  # fmt: skip

    def attempt(self, run: int, batch: int, state: str, outcome: str, evidence: dict[str, Any], **values: Any) -> int:
        return self.add(
            "attempt",
            **{
                "run_id": run, "batch_id": batch, "number": 1, "state": state, "started_at": START,
                "send_by": START + timedelta(seconds=6), "id_floor": 0, "payload_hash": "", "target": "",
                "recipients": 2, "segments": 2, "granted_at": START, "outcome": outcome, "evidence": evidence,
                "next_check_at": START + timedelta(seconds=6), "checks": 0,
            }
            | values,
        )  # fmt: skip
