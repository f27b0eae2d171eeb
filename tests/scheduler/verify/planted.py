"""Violations, one at a time, in what a finished campaign has left: in its rows, or in what its gateway has."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from scheduler.verify.checks import Breach
from tests.scheduler.verify.verify_world import CAPPED, EXCLUDED, FAILS, NUDGED, OPTED_OUT, SENT, World

ROW: Final = "(SELECT min(id) FROM recipient WHERE run_id = :run AND number = :number AND occurrence = 0)"


@dataclass(frozen=True)
class Planted:
    """What is changed, and the breaches that say so. `settings`: those that a limit is in, and the world keeps them."""

    name: str
    breaches: set[Breach]
    plant: Callable[[World], object]
    campaign: str = "sale"
    offline: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


def row(number: str, change: str, campaign: str = "sale") -> Callable[[World], None]:
    """Change the row of a person."""

    def plant(world: World) -> None:
        world.sql(
            f"UPDATE recipient SET {change} WHERE id = {ROW}", run=world.run(campaign), number=number
        )  # fmt: skip

    return plant


def sql(statement: str, campaign: str = "sale", number: str = SENT[1]) -> Callable[[World], None]:
    """Run a statement about a run, and perhaps a person's row `{row}`."""

    def plant(world: World) -> None:
        values: dict[str, Any] = {}
        text = statement.format(row=ROW)
        if ":run" in text:
            values["run"] = world.run(campaign)
        if ":number" in text:
            values["number"] = number
        world.sql(text, **values)

    return plant


def both(*plants: Callable[[World], None]) -> Callable[[World], None]:
    def plant(world: World) -> None:
        for each in plants:
            each(world)

    return plant


def of(lines: list[dict[str, Any]], number: str, text: str = "offers") -> dict[str, Any]:
    """The message of a person at the gateway."""
    return next(line for line in lines if line["number"] == number and text in line["message"])


def message(person: str, **changes: Any) -> Callable[[World], None]:
    """Change a person's message at the gateway."""
    return lambda world: world.at_gateway(lambda lines: of(lines, person).update(changes))


def one_more(like: str, text: str = "offers", **changes: Any) -> Callable[[World], None]:
    """One more message at the gateway, like that of a person."""

    def add(lines: list[dict[str, Any]]) -> None:
        lines.append({**of(lines, like, text), "ID": max(line["ID"] for line in lines) + 1, **changes})

    return lambda world: world.at_gateway(add)


def no_more(number: str) -> Callable[[World], None]:
    """The gateway has lost a message."""
    return lambda world: world.at_gateway(lambda lines: lines.remove(of(lines, number)))


COPIED: Final = (
    "run_id, state, started_at, send_by, id_floor, payload_hash, target, recipients, segments, outcome, evidence, "
    "next_check_at, checks"
)
REQUEST: Final = "(SELECT min(id) FROM attempt WHERE run_id = :run)"
OF_PERSON: Final = "(SELECT id FROM attempt WHERE batch_id = (SELECT batch_id FROM recipient WHERE id = {row}))"

PLANTED: Final = (
    # The books.
    Planted(
        "kept_count",
        {Breach.COUNTS_DIFFER},
        sql("UPDATE run_count SET amount = amount + 1 WHERE run_id = :run AND figure = 'delivered'"),
    ),
    Planted(
        "kept_segments",
        {Breach.COUNTS_DIFFER},
        sql("UPDATE run_count SET segments = 7 WHERE run_id = :run AND figure = 'delivered'"),
    ),
    Planted(
        "kept_requests", {Breach.COUNTS_DIFFER}, sql("DELETE FROM run_count WHERE run_id = :run AND figure = 'request'")
    ),
    Planted(
        "row_gone", {Breach.AUDIENCE_DIFFERS}, sql("DELETE FROM recipient WHERE run_id = :run AND state = 'invalid'")
    ),
    Planted("never_ended", {Breach.UNSETTLED}, row(SENT[1], "state = 'accepted'")),
    Planted("other_batch", {Breach.BATCHES_DIFFER}, row(SENT[1], "batch_id = 9999")),
    # Requests.
    Planted(
        "no_request",
        {Breach.NO_REQUEST, Breach.CHARGED_UNSENT},
        sql(f"UPDATE attempt SET outcome = 'not_sent' WHERE id = {OF_PERSON}"),
    ),
    Planted("accepted_before_its_request", {Breach.NO_REQUEST}, row(SENT[1], "accepted_at = accepted_at - 86400")),
    Planted("text_changed_afterwards", {Breach.OTHER_PEOPLE}, row(SENT[1], "text = 'Ciao N2, offers'"), offline=True),
    Planted(
        "number_changed_afterwards",
        {Breach.OTHER_PEOPLE, Breach.OTHER_NUMBER},
        row(SENT[1], "number = '+393331007777'"),
    ),
    Planted(
        "request_counts_less", {Breach.OTHER_SEGMENTS}, sql(f"UPDATE attempt SET segments = 1 WHERE id = {REQUEST}")
    ),
    Planted(
        "request_of_no_batch",
        {Breach.ORPHAN_REQUEST},
        sql(
            f"INSERT INTO attempt (batch_id, number, {COPIED}) SELECT 9999, 1, {COPIED} FROM attempt WHERE id = "
            + REQUEST
        ),
    ),
    # Messages, doubles, losses.
    Planted("sent_to_another_number", {Breach.OTHER_NUMBER}, message(SENT[1], number="+393339876543")),
    Planted("another_text", {Breach.OTHER_TEXT}, message(SENT[1], message="Ciao N1, no offers")),
    Planted(
        "told_as_failed", {Breach.UNACCOUNTED}, row(SENT[1], "gateway_id = NULL, state = 'failed', reason = 'left out'")
    ),
    Planted("message_of_nobody", {Breach.UNACCOUNTED}, one_more(SENT[1], number="+393339876543")),
    Planted(
        "same_message_twice",
        {Breach.SHARED_MESSAGE, Breach.OTHER_NUMBER, Breach.OTHER_TEXT, Breach.SECOND_MESSAGE},
        row(
            SENT[1],
            "gateway_id = (SELECT gateway_id FROM recipient WHERE run_id = :run AND number = '" + SENT[2] + "')",
        ),
    ),
    Planted("sent_twice_by_one_request", {Breach.SECOND_MESSAGE}, one_more(SENT[1])),
    Planted("sent_twice_by_two_requests", {Breach.SECOND_MESSAGE}, one_more(SENT[1], group="another", request=999)),
    Planted(
        "repetition_sent",
        {Breach.SECOND_ROW, Breach.LEFT_OUT_SENT, Breach.SHARED_MESSAGE},
        sql(
            "UPDATE recipient SET gateway_id = (SELECT gateway_id FROM recipient WHERE id = {row}) "
            "WHERE run_id = :run AND state = 'duplicate'",
            number=SENT[3],
        ),
    ),
    Planted("resent_though_sent", {Breach.RESENT_THOUGH_SENT}, row(FAILS, "state = 'sent'")),
    Planted("no_message_known", {Breach.NO_ID, Breach.UNACCOUNTED}, row(SENT[1], "gateway_id = NULL")),
    Planted("message_lost", {Breach.MISSING}, no_more(SENT[1])),
    Planted("message_invented", {Breach.MISSING, Breach.SECOND_MESSAGE}, row(SENT[1], "gateway_id = 7777")),
    # Who was left out.
    Planted("excluded_sent", {Breach.LEFT_OUT_SENT, Breach.MISSING}, row(EXCLUDED, "gateway_id = 8888")),
    Planted("excluded_has_message", {Breach.LEFT_OUT_HAS_MESSAGE}, one_more(SENT[1], number=EXCLUDED)),
    Planted(
        "opted_out_has_message",
        {Breach.LEFT_OUT_HAS_MESSAGE},
        one_more(SENT[1], number=OPTED_OUT, group="another", message="Ciao N21, offers"),
    ),
    Planted(
        "capped_has_message",
        {Breach.LEFT_OUT_HAS_MESSAGE},
        one_more(SENT[1], number=CAPPED, group="another", message="Ciao N0, offers"),
    ),
    # Rates.
    Planted(
        "too_fast",
        {Breach.OVER_RATE, Breach.OTHER_SEGMENTS},
        sql(
            "UPDATE attempt SET granted_at = (SELECT min(granted_at) FROM attempt WHERE run_id = :run), "
            "segments = segments * 9 WHERE run_id = :run"
        ),
        offline=True,
    ),
    Planted(
        "too_much_a_day",
        {Breach.OVER_SEGMENTS, Breach.OTHER_SEGMENTS},
        sql(
            f"UPDATE attempt SET segments = 501, granted_at = datetime(granted_at, '+1 hour') || '.000000' "
            f"WHERE id = {REQUEST}"
        ),
    ),
    # Hours.
    Planted(
        "outside_the_window",
        {Breach.OUTSIDE_WINDOW},
        sql(
            f"UPDATE batch SET zones = 'Pacific/Auckland' "
            f"WHERE id = (SELECT batch_id FROM attempt WHERE id = {REQUEST})"
        ),
        settings={"hours": None},
    ),
    Planted(
        "on_a_closed_day",
        {Breach.OUTSIDE_WINDOW},
        sql(
            "UPDATE definition SET body = replace(body, '2026-12-08', '2026-12-01') "
            "WHERE id = (SELECT definition_id FROM run WHERE id = :run)"
        ),
    ),
    Planted(
        "outside_the_operators_hours",
        {Breach.OUTSIDE_HOURS},
        both(
            sql(
                "UPDATE definition SET body = json_set(body, '$.schedule.window', NULL) "
                "WHERE id = (SELECT definition_id FROM run WHERE id = :run)",
                campaign="first",
            ),
            sql(
                f"UPDATE batch SET zones = 'Pacific/Auckland' "
                f"WHERE id = (SELECT batch_id FROM attempt WHERE id = {REQUEST})",
                campaign="first",
            ),
        ),
        campaign="first",
    ),
    Planted(
        "before_its_moment",
        {Breach.TOO_EARLY},
        sql("UPDATE batch SET moment = '2026-12-01 11:00:00.000000' WHERE run_id = :run"),
    ),
    Planted(
        "too_late", {Breach.TOO_LATE}, sql("UPDATE batch SET latest = '2026-12-01 08:00:00.000000' WHERE run_id = :run")
    ),
    Planted(
        "by_other_clocks",
        {Breach.OTHER_ZONE},
        sql("UPDATE batch SET zones = 'Europe/Berlin,Europe/Busingen' WHERE run_id = :run"),
    ),
    # Caps, money, people.
    Planted(
        "over_the_cap",
        {Breach.OVER_CAP},
        both(row(CAPPED, "number = '" + SENT[1] + "'", "first"), row(CAPPED, "number = '" + SENT[1] + "'", "second")),
    ),
    Planted(
        "kept_cost",
        {Breach.COSTS_DIFFER},
        sql("UPDATE run_count SET segments = segments - 1 WHERE run_id = :run AND figure = 'cost'"),
    ),
    Planted(
        "kept_spending",
        {Breach.SPENT_DIFFERS},
        sql(
            "UPDATE spent_money SET millionths = millionths - 50000 "
            "WHERE scope = 'campaign:' || (SELECT campaign_id FROM run WHERE id = :run)"
        ),
    ),
    Planted(
        "over_the_budget",
        {Breach.OVER_BUDGET, Breach.SPENT_DIFFERS, Breach.COSTS_DIFFER},
        sql("UPDATE charge SET price = 500000 WHERE run_id = :run"),
    ),
    Planted(
        "not_charged",
        {Breach.NOT_CHARGED, Breach.SPENT_DIFFERS},
        sql("DELETE FROM charge WHERE run_id = :run AND recipient_id = {row}"),
    ),
    Planted(
        "request_not_charged",
        {Breach.NOT_CHARGED, Breach.SPENT_DIFFERS},
        sql(f"DELETE FROM charge WHERE run_id = :run AND attempt_id = {OF_PERSON}"),
    ),
    Planted(
        "step_not_charged",
        {Breach.NOT_CHARGED, Breach.SPENT_DIFFERS},
        sql(
            "DELETE FROM charge WHERE attempt_id = (SELECT min(attempt_id) FROM charge WHERE run_id = :run + 1) "
            "AND recipient_id = (SELECT min(recipient_id) FROM charge WHERE run_id = :run + 1)",
            campaign="nudged",
        ),
        campaign="nudged",
    ),
    Planted(
        "charged_twice",
        {Breach.CHARGED_TWICE, Breach.SPENT_DIFFERS},
        sql(
            "INSERT INTO charge (run_id, recipient_id, attempt_id, segments, price, is_refunded) "
            "SELECT run_id, recipient_id, attempt_id + 1, segments, price, false FROM charge "
            "WHERE run_id = :run AND recipient_id = {row}"
        ),
    ),
    Planted(
        "charged_otherwise",
        {Breach.CHARGED_OTHERWISE, Breach.SPENT_DIFFERS, Breach.COSTS_DIFFER},
        sql("UPDATE charge SET segments = 2 WHERE run_id = :run AND recipient_id = {row}"),
    ),
    Planted(
        "refunded_though_sent",
        {Breach.NOT_CHARGED, Breach.SPENT_DIFFERS},
        sql("UPDATE charge SET is_refunded = 1 WHERE run_id = :run AND recipient_id = {row}"),
    ),
    Planted(
        "too_many_people",
        {Breach.OVER_PEOPLE},
        sql("UPDATE attempt SET target = '1' WHERE run_id = :run"),
        settings={"device_people_monthly": 16, "device_rate": None},
    ),
    # Opt-outs.
    Planted(
        "texted_after_opt_out",
        {Breach.AFTER_OPT_OUT},
        sql(
            "INSERT INTO suppression (number, kind, reason, source, since) "
            "VALUES (:number, '', 'STOP', 'command', '2026-12-01 08:00:00.000000')"
        ),
    ),
    Planted(
        "texted_after_stop_was_stored",
        {Breach.AFTER_OPT_OUT},
        both(
            sql(
                "UPDATE inbound SET stored_at = '2026-12-01 08:00:00.000000', reviewed_at = NULL, "
                "received_at = '2026-12-01 07:59:00.000000' WHERE number = :number",
                number=SENT[5],
            ),
            sql("UPDATE suppression SET since = '2026-12-01 07:59:00.000000' WHERE number = :number", number=SENT[5]),
        ),
    ),
    # Steps.
    Planted(
        "step_too_soon",
        {Breach.STEP_TOO_SOON},
        row(NUDGED[1], "accepted_at = accepted_at + 600", "nudged"),
        campaign="nudged",
    ),
    Planted(
        "step_without_the_text_before",
        {Breach.STEP_BEFORE_TEXT, Breach.OTHER_PEOPLE},
        row(NUDGED[1], "number = '+393332009999'", "nudged"),
        campaign="nudged",
        offline=True,
    ),
    Planted(
        "step_though_replied",
        {Breach.STEP_UNLESS, Breach.STEP_LEFT_OUT},
        sql(f"UPDATE inbound SET number = '{NUDGED[1]}' WHERE number = '{NUDGED[0]}'"),
        campaign="nudged",
    ),
    Planted(
        "step_without_its_condition",
        {Breach.STEP_ONLY_IF},
        sql("UPDATE run SET only_if = 'replied' WHERE root_id = :run", campaign="nudged"),
        campaign="nudged",
    ),
    Planted(
        "left_out_of_a_step",
        {Breach.STEP_LEFT_OUT},
        sql(f"UPDATE inbound SET meaning = 'help' WHERE number = '{NUDGED[0]}'"),
        campaign="nudged",
    ),
    Planted(
        "step_to_who_was_left_out",
        {Breach.LEFT_OUT_HAS_MESSAGE},
        one_more(NUDGED[1], "soon", number=NUDGED[0], group="another"),
        campaign="nudged",
    ),
    # The audit.
    Planted("entry_changed", {Breach.CHAIN_BROKEN}, sql("UPDATE audit_entry SET actor = 'mallory' WHERE id = 4")),
    Planted("entry_removed", {Breach.CHAIN_BROKEN}, sql("DELETE FROM audit_entry WHERE id = 4")),
    Planted(
        "last_entry_cut",
        {Breach.CHAIN_BROKEN},
        sql("DELETE FROM audit_entry WHERE id = (SELECT max(id) FROM audit_entry)"),
    ),
    Planted(
        "cancelled_by_nobody",
        {Breach.NOT_AUDITED},
        sql("UPDATE run SET state = 'cancelled' WHERE id = :run", campaign="first"),
        campaign="first",
    ),
    Planted(
        "approved_by_nobody",
        {Breach.NOT_AUDITED},
        sql("UPDATE run SET approved_at = '2026-12-01 09:00:07.000000' WHERE id = :run", campaign="first"),
        campaign="first",
    ),
    Planted(
        "resolved_by_nobody",
        {Breach.NOT_AUDITED},
        sql("UPDATE event SET at = '2026-12-01 08:00:00.000000' WHERE name = 'held.resolved'"),
        campaign="lost",
    ),
    Planted(
        "limits_changed_by_nobody",
        {Breach.NOT_AUDITED},
        sql("UPDATE ceiling SET set_at = '2026-12-01 08:00:00.000000'"),
    ),
    Planted(
        "resent_by_nobody",
        {Breach.NOT_AUDITED},
        sql("UPDATE run SET created_at = '2026-12-01 12:00:00.000000' WHERE parent_id = :run"),
    ),
    Planted(
        "declared_sent_by_nobody",
        {Breach.NO_ID, Breach.NOT_AUDITED},
        both(
            sql("DELETE FROM event WHERE name = 'held.resolved'"),
            sql("UPDATE run SET approved_at = '2026-12-01 09:00:07.000000' WHERE id = :run", campaign="lost"),
        ),
        campaign="lost",
    ),
)
"""Each is found by the checks that these breaches belong to, and by no other."""
