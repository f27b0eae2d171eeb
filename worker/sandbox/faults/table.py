"""The table of faults: each by name, with the kinds of requests it can hit. README.md says what a client sees."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from worker.sandbox.exchange import Reply, RequestKind
from worker.sandbox.faults import effects as effects
from worker.sandbox.faults import replies as replies
from worker.sandbox.faults.case import Case
from worker.sandbox.faults.effects import after, before, late, partly, then

SEND: Final = frozenset({RequestKind.SEND})
READ: Final = frozenset({RequestKind.READ})
CONNECT: Final = frozenset({RequestKind.CONNECT})
ALL: Final = frozenset(RequestKind) - CONNECT
CHANGES: Final = frozenset({RequestKind.SEND, RequestKind.CONTACTS})


@dataclass(frozen=True, slots=True)
class FaultKind:
    """Something that can go wrong. `act` None: below HTTP, done by the proxy. A slow one is answered late, a late one
    takes effect after its answer."""

    befalls: frozenset[RequestKind]
    act: Callable[[Case], Reply] | None
    is_slow: bool = False
    is_late: bool = False

    @property
    def needs_proxy(self) -> bool:
        return self.act is None


def _honest(case: Case) -> Reply:
    return case.perform()


HTTP_FAULTS: Final[Mapping[str, FaultKind]] = {
    # Nothing takes effect.
    "client_error_before": FaultKind(ALL, before(replies.client_error)),
    "server_error_before": FaultKind(ALL, before(replies.server_error)),
    "failure_unknown_before": FaultKind(ALL, before(replies.failure_unknown)),
    "html_before": FaultKind(ALL, before(replies.html)),
    "empty_before": FaultKind(ALL, before(replies.empty)),
    "other_json_before": FaultKind(ALL, before(replies.other_json)),
    "no_messages_before": FaultKind(SEND | READ, before(replies.no_messages)),
    "only_credits_before": FaultKind(SEND | READ, before(replies.only_credits)),
    "drop_before": FaultKind(ALL, before(replies.dropped)),
    "http_401": FaultKind(ALL, before(lambda _: replies.page(401, "Unauthorized"))),
    "http_403": FaultKind(ALL, before(lambda _: replies.page(403, "Forbidden"))),
    "http_404": FaultKind(ALL, before(lambda _: replies.page(404, "Not Found"))),
    "http_413": FaultKind(SEND, before(lambda _: replies.page(413, "Content Too Large"))),
    "throttled_seconds": FaultKind(ALL, before(partial(replies.throttled, form="seconds"))),
    "throttled_date": FaultKind(ALL, before(partial(replies.throttled, form="date"))),
    "throttled_garbage": FaultKind(ALL, before(partial(replies.throttled, form="garbage"))),
    "throttled_plain": FaultKind(ALL, before(partial(replies.throttled, form=""))),
    "redirect_301": FaultKind(ALL, before(partial(replies.redirect, status=301))),
    "redirect_302": FaultKind(ALL, before(partial(replies.redirect, status=302))),
    "redirect_307": FaultKind(ALL, before(partial(replies.redirect, status=307))),
    "refused_key": FaultKind(ALL, before(lambda _: replies.refusal(401, "This API key is invalid."))),
    "refused_subscription": FaultKind(ALL, before(lambda _: replies.refusal(500, "Your subscription has expired."))),
    "refused_credits": FaultKind(SEND, before(replies.credits_gone)),
    "refused_sim": FaultKind(
        SEND, before(lambda _: replies.refusal(500, "There is no SIM card present on slot index 0."))
    ),
    "refused_device": FaultKind(SEND, before(lambda _: replies.refusal(500, "This device doesn't exist."))),
    "refused_format": FaultKind(SEND, before(lambda _: replies.refusal(500, "Invalid request format."))),
    # Everything takes effect, and the reply does not say so.
    "client_error_after": FaultKind(CHANGES, after(replies.client_error)),
    "server_error_after": FaultKind(CHANGES, after(replies.server_error)),
    "failure_unknown_after": FaultKind(CHANGES, after(replies.failure_unknown)),
    "html_after": FaultKind(CHANGES, after(replies.html)),
    "empty_after": FaultKind(CHANGES, after(replies.empty)),
    "other_json_after": FaultKind(CHANGES, after(replies.other_json)),
    "no_messages_after": FaultKind(SEND, after(replies.no_messages)),
    "only_credits_after": FaultKind(SEND, after(replies.only_credits)),
    "drop_after": FaultKind(CHANGES, after(replies.dropped)),
    "slow_reply": FaultKind(ALL, _honest, is_slow=True),
    # A part takes effect, or all of it later.
    "partly_server_error": FaultKind(SEND, partly(replies.server_error)),
    "partly_failure_unknown": FaultKind(SEND, partly(replies.failure_unknown)),
    "partly_credits_gone": FaultKind(SEND, partly(replies.credits_gone)),
    "partly_drop": FaultKind(SEND, partly(replies.dropped)),
    "late_server_error": FaultKind(SEND, late(replies.server_error), is_late=True),
    "late_drop": FaultKind(SEND, late(replies.dropped), is_late=True),
    # What is stored, or the reply about it, is not what was asked for.
    "rows_skipped": FaultKind(SEND, effects.rows_skipped),
    "rows_hidden": FaultKind(SEND, effects.rows_hidden),
    "rows_shuffled": FaultKind(SEND, effects.rows_shuffled),
    "row_twice": FaultKind(SEND, effects.row_twice),
    "extra_rows": FaultKind(SEND, effects.extra_rows),
    "groups_split": FaultKind(SEND, effects.groups_split),
    "groups_split_lost": FaultKind(SEND, then(effects.groups_split, replies.server_error)),
    "text_footer": FaultKind(SEND, effects.with_footer),
    "text_footer_lost": FaultKind(SEND, then(effects.with_footer, replies.server_error)),
    "text_replaced": FaultKind(SEND, effects.with_template),
    "text_replaced_lost": FaultKind(SEND, then(effects.with_template, replies.server_error)),
    # Reads that do not show everything.
    "lies_empty": FaultKind(READ, effects.lies_empty),
    "lag": FaultKind(READ, effects.lag),
    "rows_missing": FaultKind(READ, effects.rows_missing),
}

TCP_FAULTS: Final[Mapping[str, FaultKind]] = {
    "refuse": FaultKind(CONNECT, None),
    "accept_reset": FaultKind(CONNECT, None),
    "never_read": FaultKind(CONNECT, None),
    "request_cut": FaultKind(ALL, None),
    "request_cut_in_key": FaultKind(ALL, None),
    "black_hole": FaultKind(ALL, None),
    "reset_after_request": FaultKind(ALL, None),
    "reply_cut": FaultKind(ALL, None),
    "reply_cut_unmarked": FaultKind(ALL, None),
    "reply_drip": FaultKind(ALL, None),
}

FAULTS: Final[Mapping[str, FaultKind]] = {**HTTP_FAULTS, **TCP_FAULTS}


def faults_of(kind: RequestKind, among: Iterable[str] = HTTP_FAULTS) -> tuple[str, ...]:
    """Return the names of those faults that can hit a request of this kind."""
    return tuple(name for name in among if kind in FAULTS[name].befalls)
