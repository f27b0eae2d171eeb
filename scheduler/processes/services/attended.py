"""How a process is watched from outside: by its metrics and its heartbeat."""

import os
from contextlib import AbstractContextManager, nullcontext

from scheduler.processes.heartbeat import Heartbeat, ProcessNote
from worker.runtime import Runtime
from worker.settings.settings import PREFIX, Settings


def metrics_door(settings: Settings) -> AbstractContextManager[object]:
    """Serve `/metrics` apart from the front door, which serves it, too."""
    if not settings.metrics_http:
        return nullcontext()
    from scheduler.web.metrics import make_metrics_app
    from scheduler.web.serving import FrontDoor, listen

    return FrontDoor(make_metrics_app(), listen(settings.metrics_http, f"{PREFIX}METRICS_HTTP"))


def heartbeat_of(runtime: Runtime, role: str) -> Heartbeat:
    socket_name = os.environ.get("NOTIFY_SOCKET", "")
    presence = ProcessNote(runtime, role)
    return Heartbeat(runtime, file=runtime.settings.heartbeat_file, notify_socket=socket_name, presence=presence)
