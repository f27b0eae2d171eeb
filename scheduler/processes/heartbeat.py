"""Reports that a service works: datagrams for systemd, a file with a fresh time for probes, a row for people."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.settings.settings import PREFIX, SettingsError
from worker.store.access import processes
from worker.store.errors import STORE_FAILS

BEAT_SECONDS: Final = 2.0
"""Between two beats: supervisors wait for a minute or more, and a beat costs one empty query."""


@dataclass(slots=True)
class ProcessNote:
    """A process with this role, from its first note until its end. A database that is away stops nothing."""

    runtime: Runtime
    role: str
    row_id: int | None = None
    until_seconds: float = 0.0

    def end(self) -> None:
        """Take its leave."""
        if self.row_id is not None:
            with suppress(*STORE_FAILS), self.runtime.store.write("process_leaves") as session:
                processes.leave(session, self.row_id)

    def note(self) -> None:
        """Say that it is there, unless it just said so."""
        clock = self.runtime.clock
        if clock.elapsed_seconds() < self.until_seconds:
            return
        self.until_seconds = clock.elapsed_seconds() + processes.SEEN_EVERY.total_seconds()
        with suppress(*STORE_FAILS), self.runtime.store.write("process_seen") as session:
            if self.row_id is None or not processes.seen(session, self.row_id, now=clock.now()):
                self.row_id = processes.arrive(
                    session,
                    role=self.role,
                    host=socket.gethostname()[:100],
                    pid=os.getpid(),
                    version=version("sms-campaign-worker")[:40],
                    now=clock.now(),
                )


class Heartbeat:
    """Beats while the database answers and every sending thread is alive; silent otherwise.

    `file` is touched at each beat, and removed when the service stops. `notify_socket` is systemd's `NOTIFY_SOCKET`: it
    gets `READY=1` at the first beat, `WATCHDOG=1` at each and `STOPPING=1` at the end. If both are empty, nothing is
    checked. `presence` is noted at each beat. Entering the block raises `SettingsError` if the file's folder is not
    writable.
    """

    def __init__(
        self, runtime: Runtime, *, file: Path | None, notify_socket: str, presence: ProcessNote | None = None
    ) -> None:
        self._runtime = runtime
        self._presence = presence
        self._file = file
        self._notify_socket = notify_socket
        self._is_ready = False

    def __enter__(self) -> Self:
        if self._file is not None and not os.access(self._file.parent, os.W_OK | os.X_OK):
            raise SettingsError(
                f"{PREFIX}HEARTBEAT_FILE names {self._file}, but nothing can be written in that folder; "
                "make the folder, or unset it"
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._notify("STOPPING=1")
        if self._presence is not None:
            self._presence.end()
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def beat(self) -> None:
        """Report once that all is well, if it is; and which troubles of the servers are over."""
        self._runtime.troubles.settle()
        if self._presence is not None:
            self._presence.note()
        if (self._file is None and not self._notify_socket) or not self._is_well():
            return
        self._notify("WATCHDOG=1" if self._is_ready else "READY=1\nWATCHDOG=1")
        self._is_ready = True
        if self._file is not None:
            try:
                self._file.touch(mode=0o644)
            except OSError as error:
                get_logger().warning("heartbeat.write_failed", problem=error.strerror)

    def heartbeat(self, _runtime: Runtime, _now: datetime) -> Mapping[str, int]:
        """`beat` as a tick: in the process that runs the clock, a beat shows that the clock runs."""
        self.beat()
        return {"beats": 1}

    def _is_well(self) -> bool:
        if not self._runtime.queue.is_alive():
            get_logger().error("heartbeat.thread_lost")
            return False
        try:
            with self._runtime.store.read() as session:
                session.connection().exec_driver_sql("SELECT 1")
        except STORE_FAILS as error:
            self._runtime.troubles.failed("heartbeat", error, event="heartbeat.database_silent")
            return False
        self._runtime.troubles.worked("heartbeat")
        return True

    def _notify(self, state: str) -> None:
        if not self._notify_socket:
            return
        # A name in Linux's abstract namespace is written with @ and begins with a zero byte.
        address = self._notify_socket.replace("@", "\0", 1) if self._notify_socket[0] == "@" else self._notify_socket
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(state.encode(), address)
        except OSError as error:
            get_logger().warning("heartbeat.notify_failed", problem=error.strerror)
