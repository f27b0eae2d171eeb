"""Runs a program with the notification as its input."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from scheduler.notifications.outcome import TAKEN, DeliveryResult

TIMEOUT: Final = timedelta(seconds=30)

KEPT: Final = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR")
"""The only environment variables that the program gets: the others contain keys and passwords."""


def run_command(command: Sequence[str], body: dict[str, Any], *, timeout: timedelta = TIMEOUT) -> DeliveryResult:
    """Pass the body as one line of JSON to the program's standard input. Success means exit code 0 in time.

    The output is discarded. When the time is up, the program and everything it started are ended.
    """
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own program, as an argument list and without a shell
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return DeliveryResult(f"CAMPAIGNS_NOTIFY_COMMAND cannot be started ({error.strerror})", is_away=True)
    try:
        process.communicate(json.dumps(body, ensure_ascii=False).encode() + b"\n", timeout.total_seconds())
    except subprocess.TimeoutExpired:
        return DeliveryResult(f"the command had not ended after {timeout.total_seconds():g} s", is_away=True)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _reap(process.pid)
    return DeliveryResult(f"the command ended with {process.returncode}", is_away=True) if process.returncode else TAKEN


REAP_SECONDS: Final = 1.0


def _reap(group: int) -> None:
    """Reap what the program left behind: as process 1 of a container we are the parent of its orphans."""
    until = time.monotonic() + REAP_SECONDS
    with suppress(ChildProcessError):  # none is left, or another process is their parent
        while time.monotonic() < until:
            if os.waitpid(-group, os.WNOHANG) == (0, 0):
                time.sleep(0.01)  # it was killed and has not ended yet
