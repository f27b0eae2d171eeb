"""What `encoding` does in a plan: which texts change, and what is counted."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unicodedata import decomposition

import pytest

from campaigns.definition import Definition
from campaigns.definition.reading import load_definition
from campaigns.lifecycle import RecipientState
from campaigns.planning.figures import summary_json
from campaigns.planning.planner import plan_recipients
from campaigns.planning.reminders import plan_reminders
from campaigns.planning.replacements import ReplacedCharacter, ReplacedTexts
from campaigns.problems import CampaignFileError

LONG = "our spring sale begins on Saturday at nine o’clock, in all shops – come and see…"
TABLE = "number,first_name\n+393331234567,Anna\n+393337654321,Žiga\n+393330000001,Noël\n+393330000002,Bea 👍\n"
STOPPED = "+393331234567"

Load = Callable[..., Definition]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "people.csv").write_text(TABLE, encoding="utf-8")

    def written(more: str = "", message: str = "message: Hi {{ first_name }}, " + LONG) -> Definition:
        path = tmp_path / "campaign.yaml"
        path.write_text(f"campaign: spring\n{message}\naudience: [{{file: people.csv}}]\n{more}\n", encoding="utf-8")
        return load_definition(path, timezone="UTC", region=None)

    return written


def test_texts_are_sent_as_written_by_default(load: Load) -> None:
    plan = plan_recipients(load())

    assert [row.text for row in plan] == [f"Hi {name}, {LONG}" for name in ("Anna", "Žiga", "Noël", "Bea 👍")]
    assert (plan.summary.segments, plan.summary.replaced) == (8, None)
    assert "replaced" not in summary_json(plan.summary, None)


def test_a_plan_replaces_what_saves_and_counts_it(load: Load) -> None:
    sent = LONG.replace("’", "'").replace("–", "-").replace("…", "...")

    plan = plan_recipients(load("encoding: gsm"))

    assert [row.text for row in plan] == [
        f"Hi Anna, {sent}",
        *(f"Hi {name}, {LONG}" for name in ("Žiga", "Noël", "Bea 👍")),
    ]
    assert [row.segments for row in plan] == [1, 2, 2, 2]
    summary = plan.summary
    assert summary.replaced
    assert (summary.replaced.texts, summary.replaced.segments_saved) == (1, 1)
    assert summary.replaced.example == (f"Hi Anna, {LONG}", f"Hi Anna, {sent}")
    assert summary.replaced.characters == (
        ReplacedCharacter("–", "-", 1),
        ReplacedCharacter("’", "'", 1),
        ReplacedCharacter("…", "...", 1),
    )
    assert (summary.segments, summary.encodings) == (7, {"GSM-7": 1, "UCS-2": 3})
    assert dict(summary.forced_by) == {"Ž": 1, "ë": 1, "👍": 1}
    stored = summary_json(summary, None)["replaced"]
    assert (stored["texts"], stored["segments_saved"]) == (1, 1)
    assert stored["characters"] == [["–", "-", 1], ["’", "'", 1], ["…", "...", 1]]
    assert "Anna" not in str(stored)


def test_accents_are_taken_off_only_if_the_file_says_so(load: Load) -> None:
    plan = plan_recipients(load("encoding: gsm_plain"))

    assert [row.text.partition(",")[0] for row in plan] == ["Hi Anna", "Hi Ziga", "Hi Noel", "Hi Bea 👍"]
    assert plan.summary.replaced
    assert (plan.summary.replaced.texts, plan.summary.replaced.segments_saved) == (3, 3)
    assert ReplacedCharacter("Ž", "Z", 1) in plan.summary.replaced.characters


def test_who_gets_no_text_is_not_counted(load: Load) -> None:
    plan = plan_recipients(load("encoding: gsm"), suppressed=lambda _: {STOPPED})

    assert [row.state for row in plan][:1] == [RecipientState.SUPPRESSED]
    assert plan.summary.replaced == ReplacedTexts(0, 0, (), None)


def test_each_variant_is_replaced_by_itself(load: Load) -> None:
    short, long = "Hi – {{ first_name }}", f"Hi {{{{ first_name }}}}, {LONG}"
    message = (
        f"variants:\n  - {{name: a, share: 50, message: '{short}'}}\n  - {{name: b, share: 50, message: '{long}'}}"
    )
    plan = plan_recipients(load("encoding: gsm_plain", message))

    rows = {row.text.partition(",")[0]: row for row in plan}

    assert {row.text[3] == "–" for row in rows.values() if row.variant == "a"} == {True}
    replaced = plan.summary.replaced
    assert replaced
    assert replaced.texts == sum(row.variant == "b" and "👍" not in row.text for row in rows.values())


def test_a_text_that_is_short_enough_once_replaced_may_be_sent(load: Load) -> None:
    long = "It’s " + "long " * 150  # 12 segments of UCS-2, 5 of GSM-7

    assert {row.state for row in plan_recipients(load(message=f"message: {long}"))} == {RecipientState.INVALID}
    plan = plan_recipients(load("encoding: gsm", f"message: {long}"))
    assert {(row.state, row.segments) for row in plan} == {(RecipientState.PENDING, 5)}


def test_letters_come_first_and_only_a_hundred_characters_are_named(load: Load, tmp_path: Path) -> None:
    letters = [chr(code) for code in range(0x100, 0x17F) if decomposition(chr(code))[:1] not in "<"]
    texts = "".join(f'+3933312345{place:02},"“{LONG}{letter}"\n' for place, letter in enumerate(letters[:99]))
    (tmp_path / "people.csv").write_text(f"number,first_name\n{texts}", encoding="utf-8")

    replaced = plan_recipients(load("encoding: gsm_plain", "message: '{{ first_name }}'"))
    assert len(list(replaced)) == 99
    found = replaced.summary.replaced
    assert found
    assert [each.character for each in found.characters] == [*letters[:99], "–"]
    assert found.more_characters == 3


def test_reminders_are_replaced_too(load: Load, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("number,date\n+393331234567,2026-12-05 09:30\n")
    definition = load("encoding: gsm\nschedule: {remind: {column: date, before: [2d, 1d]}}", f"message: {LONG}")

    plan = plan_reminders(definition, datetime(2026, 12, 1, tzinfo=UTC))

    assert {("–" in row.text, row.segments) for row in plan} == {(False, 1)}
    assert plan.summary.replaced
    assert plan.summary.replaced.texts == 2


def test_the_plan_hash_says_what_is_sent(load: Load) -> None:
    hashes = []
    for more in ("", "encoding: as_is", "encoding: gsm", "encoding: gsm_plain"):
        plan = plan_recipients(load(more))
        assert list(plan)
        hashes.append(plan.hash)

    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_another_word_is_refused_at_its_place(load: Load) -> None:
    with pytest.raises(CampaignFileError) as refused:
        load("encoding: gsm7")

    (problem,) = refused.value.problems
    assert (problem.line, problem.column, problem.path) == (4, 11, "encoding")
    assert problem.problem == "must be one of as_is, gsm, gsm_plain, not 'gsm7'"
    assert problem.hint == "did you mean gsm?"
