"""`held`: who waits for a person to decide, with the evidence."""

import json
from collections.abc import Callable

from typer.testing import Result

from campaigns.lifecycle import RunState
from scheduler.intake.taking import read_file, take_up
from tests.scheduler.operator.held_world import LISTED, NUMBERS, TIMED_OUT, HeldWorld
from worker.store.sending.outcome import close_attempt

Cli = Callable[..., Result]


OUTPUT = """\
2 people: the gateway's reads do not prove whether it was sent
  +39…02, +39…03
  request 1 of batch {batch}: Mon 2025-12-01 10:00:00 (Europe/Rome), 3 people, phone 1
    it ended: The gateway gave no complete reply (ReadTimeout); all of it was written, and no answer came; \
412 bytes written
    looked up Mon 2025-12-01 10:00:00 (Europe/Rome): found 1; \
a text that is certainly there was not shown, so this look proves nothing
    concluded: what the gateway shows does not decide it

What to do: look for these texts, at the times above, in the list of messages of the gateway \
or of the phone that was to send them.
  they are there:      campaigns resolve spring-sale --as sent
  they are not there:  campaigns resolve spring-sale --as not-sent   (sends them again)
  for one person:      add --number NUMBER
The numbers in full: campaigns export spring-sale
"""


def test_held_people_are_shown_with_the_evidence_and_what_to_do(cli: Cli, world: HeldWorld) -> None:
    world.hold(NUMBERS[1:], found=NUMBERS[:1])

    result = cli("held", "spring-sale")

    assert result.exit_code == 0, result.stderr
    assert result.stdout == OUTPUT.format(batch=world.batches()[0].id)


def test_a_run_that_paused_itself_shows_the_gateways_words_of_the_last_request(cli: Cli, world: HeldWorld) -> None:
    intent = world.ask()
    world.lose(intent)
    evidence = {**TIMED_OUT, "error_text": "Konto gesperrt", "error_code": 0}
    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="missed", evidence=evidence, now=world.clock.now())
    world.set_run(state=RunState.PAUSED, reason="the last 5 requests failed")

    shown, told = cli("held", "spring-sale").stdout, json.loads(cli("held", "spring-sale", "--json").stdout)

    assert shown.startswith("spring-sale is paused: the last 5 requests failed\n  its last request failed:\n")
    assert "the gateway said \u201cKonto gesperrt\u201d (code 0)" in shown
    assert shown.endswith("nobody in spring-sale is held\n")
    assert told["failed_request"]["evidence"]["error_text"] == "Konto gesperrt"


def test_programs_get_the_evidence_as_it_is_kept(cli: Cli, world: HeldWorld) -> None:
    world.hold()

    shown = json.loads(cli("held", "spring-sale", "--json").stdout)

    assert (shown["campaign"], shown["state"], shown["held"], shown["lists"]) == ("spring-sale", "running", 3, 0)
    (group,) = shown["groups"]
    assert group["people"] == ["+39\u202601", "+39\u202602", "+39\u202603"]
    (request,) = group["requests"]
    assert (request["outcome"], request["evidence"]["class"]) == ("hold", "ReplyLost")
    assert request["evidence"]["looks"][0]["found"] == 0
    assert "spring sale starts" not in json.dumps(shown)


def test_people_with_different_reasons_are_shown_apart(cli: Cli, world: HeldWorld) -> None:
    world.hold()
    world.set_person(NUMBERS[0], reason="not found at the gateway")

    shown = json.loads(cli("held", "spring-sale", "--json").stdout)

    assert [(len(group["people"]), group["reason"][:9]) for group in shown["groups"]] == [
        (1, "not found"),
        (2, "the gatew"),
    ]


def test_a_contact_list_is_held_as_a_whole(cli: Cli, world: HeldWorld) -> None:
    run_id = world.begin(LISTED, "club.yaml")
    world.hold_list(run_id)

    result = cli("held", "club")

    assert result.stdout.splitlines()[0] == (
        "everybody on contact list 7 of the gateway: it is not known whether the gateway sent to the list"
    )
    assert "a contact list, phone 1" in result.stdout


REMINDERS = """\
campaign: visits
message: See you on {{ at }}
audience:
  - recipients:
      - {number: "+39 333 100 0001", at: 2025-12-01 10:30}
      - {number: "+39 333 100 0002", at: 2025-12-02 01:30}
      - {number: "+39 333 100 0003", at: 2025-12-05 10:30}
schedule: {timezone: UTC, remind: {column: at, before: [2h, 12h]}, if_late: {within: 1m, otherwise: hold}}
"""
"""At nine in the morning: two reminders for the first of them are late."""


def test_whoever_is_held_on_an_earlier_day_of_reminders_is_found(cli: Cli, world: HeldWorld) -> None:
    path = world.folder / "visits.yaml"
    path.write_text(REMINDERS)
    take_up(world.runtime, read_file(path, world.runtime.settings), source=path.name)

    result = cli("held", "visits")

    assert "1 person: too late by 30m, where 1m are allowed\n  +39…01\n  no request was made for them" in result.stdout


def test_nobody_held_is_one_sentence(cli: Cli, world: HeldWorld) -> None:
    assert cli("held", "spring-sale").stdout == "nobody in spring-sale is held\n"


def test_an_unknown_campaign_is_bad_input(cli: Cli, world: HeldWorld) -> None:
    result = cli("held", "spring-sail")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "there is no campaign spring-sail; did you mean spring-sale?\n"
