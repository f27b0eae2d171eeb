"""An upgrade to smaller rows of recipients: what was stored is shown as before, and a downgrade gives it back."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import worker.store
from tests.protocol.world.upgrade_world import Old
from tests.store.store_world import counts_are_those_of_the_rows
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.following import devices, receipts
from worker.store.migrate import migrate, schema_change
from worker.store.reports import person
from worker.store.reports.exports import export_pages

AT = START + timedelta(microseconds=250_001)
LATER = START + timedelta(seconds=9)
OLD_DATE = START.replace(year=1950)
TABLES = ("recipient", "phone_count", "message_group")


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, sqlite_file: str) -> Iterator[Old]:
    """An empty database of the version before."""
    url = sqlite_file if request.param == "sqlite" else str(request.getfixturevalue("empty_postgres_url"))
    with closing(Store(url)) as store:
        if store.sqlite_path is not None:
            store.sqlite_path.parent.mkdir()
        yield Old(store, "0015")


def filled(old: Old) -> int:
    """A run with a request whose messages are in several groups or none, and rows of other tables."""
    run = old.run(old.account("key"), "sale")
    batch = old.batch(run, "accepted")
    for group, messages in ((")A", 2), (")B", 1), ("", 1)):
        old.add(
            "message_group", run_id=run, batch_id=batch, group_id=group, accepted_at=AT, messages=messages, polls=1,
            next_poll_at=LATER,
        )  # fmt: skip
    sent = {"batch_id": batch, "device": 1, "sim": 0, "attempts": 1, "accepted_at": AT}
    old.recipient(run, "accepted", gateway_id=1, group_id=")A", **sent)
    old.recipient(run, "delivered", gateway_id=2, group_id=")A", sent_at=LATER, delivered_at=AT, **sent)
    old.recipient(run, "failed", gateway_id=3, group_id=")B", sent_at=OLD_DATE, result_code=4, **sent)
    old.recipient(run, "accepted", gateway_id=4, group_id=None, **sent | {"device": None, "sim": None})
    old.recipient(run, "sent", gateway_id=5, group_id=")unknown", source="other.csv", **sent)
    old.recipient(run, "invalid", source="contact list 7", number="nobody")
    return run


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row, whatever the order of columns."""
    found, tables = {}, sa.MetaData()
    with store.engine.connect() as connection:
        tables.reflect(connection)
        for name in TABLES:
            table = tables.tables[name]
            query = sa.select(*(table.c[column] for column in sorted(table.c.keys()))).order_by(*table.primary_key)
            found[name] = [tuple(row) for row in connection.execute(query)]
    return found


def test_what_was_stored_is_shown_as_before_and_comes_back(old: Old) -> None:
    store, run = old.store, filled(old)
    before = rows(store)

    migrate(store)

    with store.read() as session:
        shown = [row for page in export_pages(session, run) for row in page]
        stories = [person.appearances(session, [row.number])[0] for row in shown]
        due = receipts.due_groups(session, now=LATER, account_id=1, limit=10)
        open_ids = {group.group_id: receipts.open_ids(session, group.id) for group in due}
        phones = devices.devices_seen(session, 1)
    assert [(row.gateway_id, row.group_id, row.accepted_at, row.sent_at, row.delivered_at) for row in shown[2:]] == [
        (1, ")A", "2026-12-01T09:00:00.250001Z", None, None),
        (2, ")A", "2026-12-01T09:00:00.250001Z", "2026-12-01T09:00:09Z", "2026-12-01T09:00:00.250001Z"),
        (3, ")B", "2026-12-01T09:00:00.250001Z", None, None),
        (4, None, "2026-12-01T09:00:00.250001Z", None, None),
        (5, ")unknown", "2026-12-01T09:00:00.250001Z", None, None),
        (None, None, None, None, None),
    ]
    assert [(each.source, each.group_id) for each in stories] == [
        *[("p.csv", None)] * 2, ("p.csv", ")A"), ("p.csv", ")A"), ("p.csv", ")B"), ("p.csv", None),
        ("other.csv", ")unknown"), ("contact list 7", None),
    ]  # fmt: skip
    assert [each.accepted_at for each in stories] == [None, None, *[AT] * 5, None]
    assert open_ids == {")A": [1], ")B": [], "": [4]}
    assert [(each.waiting, each.sent, each.failed, each.last_sent_at) for each in phones] == [(1, 2, 1, LATER)]
    # and rows are counted on
    with store.write() as session:
        session.execute(sa.text("UPDATE recipient SET state = 'delivered', sent_at = accepted_at WHERE gateway_id = 1"))
    with store.read() as session:
        counts_are_those_of_the_rows(session)
    with store.write() as session:
        assert devices.devices_seen(session, 1)[0].sent == 3
        session.execute(sa.text("UPDATE recipient SET state = 'accepted', sent_at = NULL WHERE gateway_id = 1"))

    config = Config()
    config.set_main_option("script_location", str(Path(worker.store.__file__).parent / "migrations"))
    with schema_change(store) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0015")

    after = rows(store)
    assert len(after["message_group"]) == len(before["message_group"]) + 1  # the one that had no row
    assert {**after, "message_group": after["message_group"][:-1]} == before
    with store.read() as session:
        counts_are_those_of_the_rows(session)
