"""The audit: one chain, however many write it, in which whatever was changed, removed or added shows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta, timezone
from typing import Any, Final

import pytest
import sqlalchemy as sa

from campaigns.access import Actor, ActorKind
from tests.store.store_world import NOW
from worker.store import audit
from worker.store.audit import AuditFilter
from worker.store.engine import Store
from worker.store.reports import audit_chain
from worker.store.reports.audit_chain import BrokenChain, ChainFault
from worker.store.tables import audit_entries, audit_heads

ANNA: Final = Actor(ActorKind.USER, "anna", origin="192.0.2.7")
CI: Final = Actor(ActorKind.TOKEN, "ci")
E: Final = audit_entries.c


def write(store: Store, count: int = 1, actor: Actor = ANNA, **about: Any) -> None:
    for place in range(count):
        with store.write() as session:
            audit.append(session, actor, "pause", now=NOW + timedelta(seconds=place), **about)


def verified(store: Store) -> BrokenChain | None:
    with store.read() as session:
        return audit_chain.verify(session, page=2)


def found(store: Store, wanted: AuditFilter | None = None, **page: Any) -> list[audit.Audited]:
    with store.read() as session:
        return audit.entries(session, wanted or AuditFilter(), **page)


def test_an_entry_comes_back_as_it_was_written_and_the_chain_is_whole(store: Store) -> None:
    assert verified(store) is None

    detail = {"a": 1, "b": True, "c": None, "d": ["ü", 0.25], "e": "\x00\ud800", "f": NOW, "g": 10**12}
    east = NOW.astimezone(timezone(timedelta(hours=5)))
    with store.write() as session:
        about: dict[str, Any] = {"campaign": "sale", "run_id": 7, "plan_hash": 64 * "a", "subject": "+39…01"}
        audit.append(session, ANNA, "pause", now=east, **about, detail=detail)
    write(store, 2, CI)

    first = found(store)[-1]
    assert (first.at, first.actor_kind, first.actor, first.origin) == (NOW, "user", "anna", "192.0.2.7")
    assert {name: getattr(first, name) for name in about} == about
    assert first.detail["d"] == ["ü", "0.25"]
    assert (first.id, first.previous) == (1, "")
    assert verified(store) is None


def test_a_full_number_is_masked_wherever_it_stands(store: Store) -> None:
    write(store, subject="393331000001.csv", campaign="+393331000002", detail={"list": ["call +39333100003 now"]})

    (entry,) = found(store)
    assert (entry.subject, entry.campaign, entry.detail) == ("…01.csv", "+39…02", {"list": ["call +39…03 now"]})


def as_written(table: sa.Table, **values: Any) -> Callable[[sa.Connection], object]:
    return lambda connection: connection.execute(sa.update(table).where(table.c.id == 3).values(**values))


def swap(connection: sa.Connection) -> None:
    """Give two entries each other's id, with all that they say."""
    for before, after in ((2, -1), (4, 2), (-1, 4)):
        connection.execute(sa.update(audit_entries).where(E.id == before).values(id=after))


def insert(id: int) -> Callable[[sa.Connection], object]:
    """Insert an entry that follows the last one, sealed as the product seals it."""

    def act(connection: sa.Connection) -> None:
        last = audit.Audited(*connection.execute(sa.select(audit_entries).order_by(E.id.desc()).limit(1)).one())
        values = dict(zip(last.__slots__, (getattr(last, name) for name in last.__slots__), strict=True))
        forged = audit.Audited(**values | {"id": id, "actor": "mallory", "previous": last.digest})
        connection.execute(audit_entries.insert(), values | {"id": id, "actor": "mallory", "previous": last.digest}
                           | {"digest": audit.digest_of(forged)})  # fmt: skip

    return act


def insert_between(connection: sa.Connection) -> None:
    """Insert an entry that follows the third, sealed as the product seals it; the ones behind it make room."""
    rest = connection.execute(sa.select(audit_entries).where(E.id > 3)).mappings().all()
    remove(4, 5)(connection)
    insert(4)(connection)
    connection.execute(audit_entries.insert(), [dict(row) | {"id": row["id"] + 1} for row in rest])


def remove(*ids: int) -> Callable[[sa.Connection], object]:
    return lambda connection: connection.execute(sa.delete(audit_entries).where(E.id.in_(ids)))


def remove_and_close_up(connection: sa.Connection) -> None:
    remove(3)(connection)
    for id_ in (4, 5):
        connection.execute(sa.update(audit_entries).where(E.id == id_).values(id=id_ - 1))


def seal_again(connection: sa.Connection) -> None:
    """Change an entry, and seal it as if it had been written so."""
    row = audit.Audited(*connection.execute(sa.select(audit_entries).where(E.id == 3)).one())
    values = {name: getattr(row, name) for name in row.__slots__} | {"actor": "mallory"}
    digest = audit.digest_of(audit.Audited(**values))
    connection.execute(sa.update(audit_entries).where(E.id == 3).values(actor="mallory", digest=digest))


TAMPERED: Final[list[tuple[str, Callable[[sa.Connection], object], ChainFault, int]]] = [
    *(
        (f"changed {name}", as_written(audit_entries, **{name: value}), ChainFault.CHANGED, 3)
        for name, value in {
            "at": NOW + timedelta(days=1), "actor_kind": "cli", "actor": "mallory", "origin": "", "action": "approve",
            "campaign": "other", "run_id": 8, "plan_hash": "b", "subject": "+39…99", "detail": {"x": 1},
            "previous": 64 * "0", "digest": 64 * "0",
        }.items()
    ),
    ("changed and sealed again", seal_again, ChainFault.CHANGED, 4),
    ("removed from the middle", remove(2, 3), ChainFault.MISSING, 2),
    ("removed and closed up", remove_and_close_up, ChainFault.CHANGED, 3),
    ("removed from the beginning", remove(1), ChainFault.MISSING, 1),
    ("removed tail", remove(4, 5), ChainFault.MISSING, 4),
    ("removed whole", remove(1, 2, 3, 4, 5), ChainFault.MISSING, 1),
    ("inserted at the end", insert(6), ChainFault.INSERTED, 6),
    ("inserted at the beginning", insert(0), ChainFault.INSERTED, 0),
    ("inserted in the middle", insert_between, ChainFault.CHANGED, 5),
    ("swapped", swap, ChainFault.CHANGED, 2),
    ("the head is gone", lambda connection: connection.execute(sa.delete(audit_heads)), ChainFault.HEAD, 5),
    (
        "the head was set back",
        lambda connection: connection.execute(sa.update(audit_heads).values(last_id=4, entries=4)),
        ChainFault.INSERTED,
        5,
    ),
    (
        "the head was changed",
        lambda connection: connection.execute(sa.update(audit_heads).values(digest=64 * "0")),
        ChainFault.HEAD,
        5,
    ),
]  # fmt: skip


def test_what_was_changed_removed_or_added_is_found_with_the_first_id(store: Store) -> None:
    # given five entries, read two at a time
    write(store, 5, campaign="sale", run_id=7, plan_hash="a", subject="+39…01", detail={"x": 0})
    told = []
    for _, tamper, _, _ in TAMPERED:
        with store.engine.connect() as connection, connection.begin() as undone:
            tamper(connection)
            undone.commit()
        told.append(verified(store))
        # when it is put back
        with store.engine.begin() as connection:
            connection.execute(sa.delete(audit_entries))
            connection.execute(sa.delete(audit_heads))
        write(store, 5, campaign="sale", run_id=7, plan_hash="a", subject="+39…01", detail={"x": 0})
        assert verified(store) is None
    # then
    names = [name for name, *_ in TAMPERED]
    assert dict(zip(names, told, strict=True)) == {name: BrokenChain(fault, id) for name, _, fault, id in TAMPERED}


def test_twenty_who_write_at_once_make_one_chain(store: Store) -> None:
    def act(place: int) -> None:
        write(store, 3, Actor(ActorKind.USER, f"user {place}"))

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(act, range(20)))

    assert verified(store) is None
    assert len({entry.id for entry in found(store)}) == 60
    with store.read() as session:
        assert audit.head_of(session).entries == 60


def test_what_is_undone_leaves_no_entry(store: Store) -> None:
    with suppress(ZeroDivisionError), store.write() as session:
        audit.append(session, ANNA, "pause", now=NOW)
        raise ZeroDivisionError

    assert found(store) == []
    assert verified(store) is None


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (AuditFilter(), [6, 5, 4, 3, 2, 1]),
        (AuditFilter(campaign="sale"), [3, 2, 1]),
        (AuditFilter(actor="ci"), [6, 5, 4]),
        (AuditFilter(actor="user:anna"), [3, 2, 1]),
        (AuditFilter(actor="token:anna"), []),
        (AuditFilter(action="approve"), []),
        (AuditFilter(since=NOW + timedelta(seconds=2)), [6, 3]),
    ],
)
def test_entries_are_found_by_what_they_say_page_by_page(store: Store, wanted: AuditFilter, ids: list[int]) -> None:
    write(store, 3, campaign="sale")
    write(store, 3, CI)

    pages: list[list[int]] = []
    while page := found(store, wanted, after=pages[-1][-1] if pages else None, limit=2):
        pages.append([entry.id for entry in page])

    assert [id_ for page in pages for id_ in page] == ids
    assert all(len(page) <= 2 for page in pages)
