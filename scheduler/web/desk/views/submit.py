"""Submit in the browser: a campaign's text and tables, its mistakes, its plan; and the stored plan of a campaign."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from campaigns.access import Scope
from campaigns.lifecycle import RecipientState, RunState
from scheduler.actions.answers import plan_json
from scheduler.actions.plans.facts import capacity_json, preview_json
from scheduler.actions.reading.plans import read_plan
from scheduler.actions.reading.recipients import read_recipients
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.shapes.capacity import CapacityShape
from scheduler.actions.uploading.columns import Missing, TableRows
from scheduler.actions.uploading.drafts import (
    Looked,
    Planned,
    begun_names,
    foresee,
    is_table,
    keep_file,
    look,
    name_of_file,
    plan_draft,
    study_draft,
    submit_draft,
)
from scheduler.actions.uploading.writing import FilledIn, compose, with_column
from scheduler.intake.taking import Prospect
from scheduler.web.api.problems import EXPECTED, STATUSES, CallProblem, as_problem
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit, require
from scheduler.web.desk.receiving import SentFile
from scheduler.web.desk.telling import done_words, exists_words, kept_words, submit_words
from scheduler.web.desk.values import number_of

COMMON: Final = (
    "name", "message", "earlier", "who", "table", "column", "country", "rate", "window_from", "window_to", "start",
    "approval",
)  # fmt: skip

WHO: Final = (
    ("", "everybody in it"),
    ('state == "delivered"', "who got its text"),
    ('state == "delivered" and not replied', "who got its text and did not reply"),
    ("replied", "who replied"),
    ('state == "failed" or state == "expired"', "who did not get its text"),
    ('state == "holdout"', "its control group"),
)
"""Who of an earlier campaign, as `where` and in words. The file may say anything else."""

WHOLE: Final = 200
"""A text of so many lines is shown whole; of a longer one, what is around its mistakes."""
AROUND: Final = 2
MOST_COMPARED: Final = 1_000
"""Lines of a file that is compared with the one before: it takes the product of both."""
MOST_BAD_ROWS: Final = 20
SAMPLES: Final = 3

NOTHING: Final = "there is no campaign file yet: write or drop one, or fill in the form and press Write the file"
EXAMPLE: Final = "campaign: spring-sale\nmessage: Hi {{ first_name }}, our spring sale starts on Saturday."


@dataclass(frozen=True, slots=True)
class DraftPage:
    """What stands on the page: the text, what was filled in, the tables that were brought, and what became of it."""

    text: str = ""
    filled: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(COMMON, ""))
    kept: tuple[TableRows, ...] = ()
    notes: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    looked: Looked | None = None
    prospect: Prospect | None = None
    planned: Planned | None = None
    by: str = ""
    takes: CapacityShape | None = None
    problem: CallProblem | None = None


def begin(asked: Visit) -> DeskPage:
    """An empty page."""
    return _page(asked, DraftPage(filled={**dict.fromkeys(COMMON, ""), "approval": "yes"}))


def work(asked: Visit) -> DeskPage:
    """Keep the tables that were brought, and check or plan the text. Nothing is submitted here."""
    filled = {name: asked.form.get(name, "") for name in COMMON}
    sheet = DraftPage(_text(asked), filled, by=asked.form.get("by", ""))
    try:
        sheet = _with_files(asked, sheet)
        wanted = asked.form.get("do", "check")
        if wanted == "write":
            sheet = replace(sheet, text=compose(_wanted(asked, sheet)))
        elif "put" in asked.form:
            sheet = replace(sheet, text=_with_column(sheet.text, asked.form["put"]))
        if not (sheet.text.strip() or sheet.notes):
            raise CallProblem(Refusal.INVALID, NOTHING)
        if sheet.text.strip():
            sheet = replace(sheet, looked=look(asked.runtime, sheet.text, refused=sheet.refused, now=asked.now))
        if sheet.looked is not None and not sheet.looked.checked.problems:
            sheet = replace(sheet, prospect=foresee(asked.runtime, sheet.text, now=asked.now))
            if wanted == "plan":
                sheet = replace(sheet, planned=plan_draft(asked.runtime, sheet.text, now=asked.now))
                if sheet.by:
                    takes = study_draft(asked.runtime, sheet.text, by=sheet.by, zone=asked.zone, now=asked.now)
                    sheet = replace(sheet, takes=capacity_json(takes))
    except EXPECTED as error:
        return _page(asked, replace(sheet, problem=as_problem(error)))
    return _page(asked, sheet)


def submit(asked: Visit) -> DeskPage | Go:
    """Submit exactly the plan that the page showed. With another plan, nothing is submitted, and that one is shown."""
    sheet = DraftPage(_text(asked))
    try:
        done = submit_draft(asked.runtime, asked.who, sheet.text, asked.value("seen"), now=asked.now)
    except EXPECTED as error:
        sheet = replace(sheet, problem=as_problem(error))
        if isinstance(error, Refused) and error.code is Refusal.OTHER_PLAN:
            sheet = replace(
                sheet,
                looked=look(asked.runtime, sheet.text, now=asked.now),
                prospect=foresee(asked.runtime, sheet.text, now=asked.now),
                planned=plan_draft(asked.runtime, sheet.text, now=asked.now),
            )
        return _page(asked, sheet)
    # Where it is sent, or else where it is approved.
    plan = "/plan" if done.run.state is RunState.AWAITING_APPROVAL else ""
    return Go(f"/campaigns/{done.run.campaign}{plan}", done_words(done, asked))


def stored_plan(asked: Visit) -> DeskPage:
    """The plan of a campaign as it is stored, and the form that approves exactly this one."""
    store, name = asked.runtime.store, asked.path["name"]
    seen = read_plan(store, name, number_of(asked, "run"))
    first = read_recipients(store, name, seen.run.id, {"state": RecipientState.PENDING}, after=0, limit=SAMPLES)
    return DeskPage(
        "plan.html",
        {
            "seen": seen,
            "rehearsed": seen.run.rehearsal,
            "plan": plan_json(seen),
            "samples": [row.values for row in first.rows] if asked.full else [],
            "can_approve": bool(seen.awaits) and asked.may(Scope.APPROVE),
        },
    )


def _text(asked: Visit) -> str:
    return asked.form.get("text", "").replace("\r\n", "\n")


def _wanted(asked: Visit, sheet: DraftPage) -> FilledIn:
    filled = sheet.filled
    return FilledIn(
        name=filled["name"],
        message=filled["message"].replace("\r\n", "\n"),
        earlier=filled["earlier"],
        who=filled["who"],
        table=filled["table"],
        column=filled["column"],
        country=filled["country"],
        rate=filled["rate"],
        window_from=filled["window_from"],
        window_to=filled["window_to"],
        start=filled["start"],
        zone=asked.zone.key,
        approval=bool(filled["approval"]),
    )


def _with_files(asked: Visit, sheet: DraftPage) -> DraftPage:
    """Take the files that were brought: a campaign file becomes the text, tables are kept."""
    brought = asked.files.get("files", ())
    for sent in brought:
        if is_table(sent.filename):
            continue
        if sent.filename.lower().endswith((".yaml", ".yml")):
            written = sent.content.read().decode(errors="replace")
            sheet = replace(sheet, text=written.removeprefix("\ufeff").replace("\r\n", "\n"))
        else:
            note = f"{sent.filename[:100]} is neither a campaign file (.yaml) nor a table (.csv, .tsv, .jsonl, .xlsx)"
            sheet = replace(sheet, notes=(*sheet.notes, note))
    for sent in brought:  # once the text is known, which says which column holds the numbers, and of which country
        if is_table(sent.filename):
            sheet = _with_table(asked, sheet, sent)
    return sheet


def _with_table(asked: Visit, sheet: DraftPage, sent: SentFile) -> DraftPage:
    require(asked.who, Scope.SUBMIT)
    try:
        stored, rows = keep_file(
            asked.runtime,
            asked.who,
            sent.filename,
            sent.content,
            text=sheet.text,
            number=sheet.filled["column"],
            region=sheet.filled["country"],
            now=asked.now,
        )
    except Refused as refused:  # the other files, and the text, are taken all the same
        notes = (*sheet.notes, f"{sent.filename[:100]} was not stored: {refused}")
        return replace(sheet, notes=notes, refused=sheet.refused | {sent.filename, name_of_file(sent.filename)})
    filled = {**sheet.filled, "table": sheet.filled["table"] or rows.name}
    if filled["table"] == rows.name:
        filled["column"] = rows.number
    return replace(sheet, kept=(*sheet.kept, rows), notes=(*sheet.notes, kept_words(stored, asked.zone)), filled=filled)


def _with_column(text: str, put: str) -> str:
    try:
        kind, name, column = json.loads(put)
        return with_column(text, str(name), str(column), is_number=kind == "number")
    except (ValueError, TypeError, RecursionError):
        raise CallProblem(
            Refusal.INVALID, "the form does not say which column was meant; open the page again"
        ) from None


def _page(asked: Visit, sheet: DraftPage) -> DeskPage:
    looked, planned = sheet.looked, sheet.planned
    tables = looked.tables if looked else ()
    # What was read with a column that the text does not name yet is shown until it names one.
    known = {table.name: table for table in tables} | {table.name: table for table in sheet.kept}
    known |= {table.name: table for table in tables if table.rows is not None}
    chosen = known.get(sheet.filled["table"])
    return DeskPage(
        "submit.html",
        {
            "sheet": sheet,
            "exists": exists_words(sheet.prospect),
            "example": EXAMPLE,
            "lines": _lines(sheet.text, looked) if looked and looked.checked.problems else (),
            "puts": [(missing, _puts(missing)) for missing in looked.missing] if looked else [],
            "tables": [(table, table.bad[:MOST_BAD_ROWS]) for table in known.values()],
            "columns": chosen.columns if chosen else (),
            "earlier": begun_names(asked.runtime),
            "who": WHO,
            "plan": preview_json(planned.preview, full=asked.full) if planned else None,
            "submits": submit_words(planned, sheet.prospect, asked) if planned else "",
            "changes": _changes(asked, sheet.text, planned) if planned and planned.before else None,
            "can_submit": asked.may(Scope.SUBMIT),
        },
        STATUSES[sheet.problem.code] if sheet.problem else 200,
    )


def _puts(missing: Missing) -> Sequence[tuple[str, str]]:
    """Return the columns to choose from, each with what its button sends."""
    kind = "number" if missing.is_number else "field"
    return [(column, json.dumps([kind, missing.name, column])) for column in missing.columns]


def _lines(text: str, looked: Looked) -> Sequence[tuple[int, str, Sequence[Any]]]:
    """Return the lines of the text, each with its number and its mistakes."""
    mistakes: dict[int, list[Any]] = {}
    written = text.split("\n")
    for problem in looked.checked.problems:
        mistakes.setdefault(min(problem.line, len(written)), []).append(problem)
    shown = {near for line in mistakes for near in range(line - AROUND, line + AROUND + 1)}
    return [
        (number, line, mistakes.get(number, ()))
        for number, line in enumerate(written, 1)
        if len(written) <= WHOLE or number in shown
    ]


def _changes(asked: Visit, text: str, planned: Planned) -> Mapping[str, Any]:
    """Return what is different from the version before, line by line for those who may see texts and numbers."""
    assert planned.before is not None  # noqa: S101  only then it is called
    figures = planned.before.run.plan_summary
    counts, summary = figures.get("counts", {}), planned.preview.summary
    states = {state.value: count for state, count in summary.counts.items()}
    rows = [("people in its audience", figures.get("audience", 0), summary.audience)]
    rows += [(state, counts.get(state, 0), states.get(state, 0)) for state in dict.fromkeys([*counts, *states])]
    rows.append(("segments", figures.get("segments", 0), summary.segments))
    before, now = planned.text_before.splitlines(), text.splitlines()
    is_short = len(before) <= MOST_COMPARED and len(now) <= MOST_COMPARED
    compared = list(difflib.unified_diff(before, now, n=1, lineterm=""))[2:] if before and is_short else []
    return {
        "figures": rows,
        "lines": [(line[:1], line[1:]) for line in compared if not line.startswith("@@")] if asked.full else [],
        "more": sum(line.startswith("+") for line in compared),
        "less": sum(line.startswith("-") for line in compared),
        "is_compared": bool(before) and is_short,
    }


PLACES: Final = (
    DeskPlace("/submit", begin, Scope.PLAN, work, Scope.PLAN, takes_files=True, on="/submit"),
    DeskPlace("/submit/exactly", act=submit, act_scope=Scope.SUBMIT, takes_files=True, on="/submit"),
    DeskPlace("/campaigns/{name}/plan", stored_plan),
)
