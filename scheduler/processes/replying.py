"""`campaigns reply`: the command stores the answer, and the service sends it."""

from scheduler.actions.acting import Actor
from scheduler.actions.texts.replying import Answered, answer_reply
from worker.runtime import build_runtime
from worker.settings.settings import Settings


def answer(settings: Settings, actor: Actor, reply_id: int, text: str, *, seen: int) -> Answered:
    """Answer a reply. Raises `Refused`, `SettingsError` if no gateway is set, and `StoreError`."""
    runtime = build_runtime(settings, shared_queue=False, only_runs=frozenset())
    try:
        return answer_reply(runtime, actor, reply_id, text, seen=seen, now=runtime.clock.now())
    finally:
        runtime.close()
