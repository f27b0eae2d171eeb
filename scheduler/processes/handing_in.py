"""`campaigns reply` and `campaigns people`: the command stores what is to be done, and a service sends it."""

from collections.abc import Iterator
from contextlib import contextmanager

from campaigns.protocol.bulk_actions import BulkAction
from scheduler.actions.acting import Actor
from scheduler.actions.bulk import BulkDone, BulkSelection, ask_first, do_bulk
from scheduler.actions.texts.replying import Answered, answer_reply
from worker.building import build_runtime
from worker.runtime import Runtime
from worker.settings.settings import Settings


@contextmanager
def _runtime(settings: Settings) -> Iterator[Runtime]:
    """Everything real, for no run. Raises `SettingsError` if no gateway is set, and `StoreError`."""
    runtime = build_runtime(settings, shared_queue=False, only_runs=frozenset())
    try:
        yield runtime
    finally:
        runtime.close()


def answer(settings: Settings, actor: Actor, reply_id: int, text: str, *, seen: int) -> Answered:
    """Answer a reply. Raises `Refused`, `SettingsError` and `StoreError`."""
    with _runtime(settings) as runtime:
        return answer_reply(runtime, actor, reply_id, text, seen=seen, now=runtime.clock.now())


def do(settings: Settings, actor: Actor, action: BulkAction, chosen: BulkSelection, seal: str) -> BulkDone:
    """Do what was planned for many. Raises `Refused`, `GatewayError`, `SettingsError` and `StoreError`."""
    with _runtime(settings) as runtime:
        ask_first(runtime, action, chosen)
        return do_bulk(runtime, actor, action, chosen, seal, now=runtime.clock.now())
