"""A sandbox as a private child process: `campaigns run --sandbox` and the tests use it."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from worker.sandbox.errors import SandboxError
from worker.sandbox.running.command import OPTIONS_FROM_STDIN, options_to_json
from worker.sandbox.running.options import SandboxOptions

STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class PrivateSandbox:
    """A running sandbox that ends with its parent, however the parent ends."""

    url: str
    key: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, options: SandboxOptions) -> "PrivateSandbox":
        """Start a child and wait until it accepts connections. Raises `SandboxError` with its reason if it cannot."""
        options = options.with_key()
        with tempfile.TemporaryFile() as complaints:
            # Its own session: Ctrl-C in the terminal reaches the parent, which still needs its gateway to finish.
            process = subprocess.Popen(  # noqa: S603 - our own module, in our own interpreter
                [sys.executable, "-m", "worker.sandbox", OPTIONS_FROM_STDIN],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
            url = _ask_for_url(process, options)
            if not url:
                _end(process)
                complaints.seek(0)
                reason = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise SandboxError(reason or "The sandbox ended before it accepted connections: try again.")
        return cls(url, options.key or "", process)

    def stop(self) -> None:
        """End the child and wait for its end; harmless if it has already ended."""
        _end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _ask_for_url(process: subprocess.Popen[bytes], options: SandboxOptions) -> str:
    """Return the child's first line; empty if it ended instead."""
    if process.stdin is None or process.stdout is None:
        raise TypeError("the child process needs pipes as its standard input and output")
    try:
        process.stdin.write(options_to_json(options).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return ""
    return process.stdout.readline().decode().strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
