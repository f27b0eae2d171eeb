"""Single texts, replies and answers as objects for programs. Numbers and texts are in full only if `full` says so."""

from zoneinfo import ZoneInfo

from campaigns.display import utc
from scheduler.actions.reading.replies import Conversation, ListedReply, WaitingReply
from scheduler.actions.shapes.done import (
    AnsweredShape,
    Reviewed,
)
from scheduler.actions.shapes.seen import (
    AnswerShape,
    ConversationShape,
    LineShape,
    SingleTextShape,
    WaitingShape,
    WrittenReply,
)
from scheduler.actions.texts.replying import Answered
from scheduler.report.opt_outs import reply_json
from scheduler.report.people import Chapter
from scheduler.report.shown.seeing import number_for, words_for
from scheduler.report.story import chapter_json


def message_json(chapter: Chapter, zone: ZoneInfo, *, full: bool) -> SingleTextShape:
    """Return a single text that a program asked for."""
    number = number_for(chapter.row.number, full=full)
    return {"id": chapter.row.recipient_id, "number": number, **chapter_json(chapter, zone, full=full)}


def written_json(listed: ListedReply | Conversation, *, full: bool) -> WrittenReply:
    """Return a reply, with its id, number and answers, and whether a person still has to read it."""
    reply, shown = listed.reply, reply_json(listed.reply, full=full)
    answers: list[AnswerShape] = [
        {
            "by": answer.by,
            "at": utc(answer.at),
            "message": answer.message,
            "state": answer.state.value,
            "text": words_for(answer.text, full=full),
        }
        for answer in listed.answers
    ]
    number, reviewed_at = number_for(reply.number, full=full), utc(reply.reviewed_at)
    return {"id": reply.id, "number": number, **shown, "reviewed_at": reviewed_at, "answers": answers}


def conversation_json(seen: Conversation, *, full: bool) -> ConversationShape:
    """Return a reply with the last texts of both sides."""
    lines: list[LineShape] = [
        {
            "at": utc(line.at),
            "reply": line.reply.id if line.reply else None,
            "by": line.by or None,
            "state": line.state,
            "text": words_for(line.text, full=full),
            "campaign": line.campaign,
            "run": line.run_id,
        }
        for line in seen.lines
    ]
    return {**written_json(seen, full=full), "lines": lines, "problem": seen.problem}


def answered_json(done: Answered) -> AnsweredShape:
    """Return the single text that answers a reply."""
    message = done.message
    return {
        "reply": done.reply_id,
        "answer": done.place,
        "message": message.id,
        "run": message.run_id,
        "at": utc(done.at),
    }


def reviewed_json(count: int, *, is_stop: bool) -> Reviewed:
    """Return how many replies were read, and as what."""
    return {"opted_out": count, "unchanged": 0} if is_stop else {"kept": count, "unchanged": 0}


def waiting_json(reply: WaitingReply) -> WaitingShape:
    """Return a reply that a person has to read; its number is masked already."""
    return {
        "id": reply.id,
        "number": reply.number,
        "received_at": utc(reply.received_at),
        "campaign": reply.campaign,
        "of_nobody_known": reply.is_of_nobody_known,
        "text": reply.text,
    }
