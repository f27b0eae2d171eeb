"""What people wrote, what was written around it, and answers."""

from typing import Final

from campaigns.access import Scope
from campaigns.message.segments import segmentation
from campaigns.optout import Meaning
from scheduler.actions.reading.replies import read_conversation, read_replies
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing.replies import review
from scheduler.actions.texts.messages import hint
from scheduler.actions.texts.replying import answer_reply
from scheduler.web.api.problems import STATUSES
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit
from scheduler.web.desk.values import after_of, form_number, number_of, one_of, path_number

ROWS: Final = 100

DECISIONS: Final = ("opt-out", "keep")

ANSWERED: Final = {"": None, "no": False, "yes": True}


def replies(asked: Visit) -> DeskPage:
    """What people wrote, the newest first: of one meaning, to one run, answered or not."""
    meaning, run_id = one_of(asked, "meaning", Meaning), number_of(asked, "run")
    answered = asked.query.get("answered", "")
    page = read_replies(
        asked.runtime.store,
        meaning,
        run_id=run_id,
        answered=ANSWERED.get(answered),
        newest_first=True,
        after=after_of(asked),
        limit=ROWS,
    )
    filters = {"meaning": meaning.value if meaning else "", "run": run_id, "answered": answered}
    values = {"rows": page.rows, "next": page.next, "filters": filters, "meanings": list(Meaning)}
    return DeskPage("replies.html", values)


def conversation(asked: Visit) -> DeskPage:
    """A reply with what was written before and after it, and a form to answer it."""
    return _shown(asked, path_number(asked, "reply"))


def _shown(asked: Visit, reply_id: int, *, draft: str = "", refused: Refused | None = None) -> DeskPage:
    seen = read_conversation(asked.runtime.store, reply_id)
    values = {"seen": seen, "draft": draft, "refused": refused}
    return DeskPage("conversation.html", values, STATUSES[refused.code] if refused else 200)


def answer(asked: Visit) -> DeskPage | Go:
    """Answer a reply. If it cannot be done, the page keeps what was written, and shows who answered meanwhile."""
    reply_id, text = path_number(asked, "reply"), asked.value("text").replace("\r\n", "\n")
    try:
        done = answer_reply(asked.runtime, asked.who, reply_id, text, seen=form_number(asked, "seen"), now=asked.now)
    except Refused as refused:
        if refused.code is Refusal.UNKNOWN_REPLY:
            raise
        return _shown(asked, reply_id, draft=text, refused=refused)
    hint(asked.runtime, done.message)
    segments = segmentation(text).segments
    return Go(f"/replies/{reply_id}", f"the answer is on its way: {segments} segment{'s' if segments > 1 else ''}")


def decide(asked: Visit) -> Go:
    """Say whether a reply that may mean stop is one."""
    decision = asked.value("decision")
    if decision not in DECISIONS:
        raise Refused(Refusal.INVALID, "say whether this person opts out or not; open the page again")
    is_stop = decision == "opt-out"
    review(asked.runtime.store, asked.who, [path_number(asked, "reply")], is_stop=is_stop, now=asked.now)
    return Go("/needs", "this person gets nothing more" if is_stop else "this reply is no opt-out")


PLACES: Final = (
    DeskPlace("/replies", replies),
    DeskPlace("/replies/{reply}", conversation),
    DeskPlace("/replies/{reply}/answer", act=answer, act_scope=Scope.REPLY, on="/replies/{reply}"),
    DeskPlace("/replies/{reply}/review", act=decide, act_scope=Scope.SUPPRESS, on="/needs"),
)
