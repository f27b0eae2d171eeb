"""The front door as a process: hundreds of calls at once, and a stop that answers first."""

import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.prove.webhook import front_door, memory_mib, one_round


@pytest.mark.parametrize("command", ["dashboard", "up"])
def test_it_takes_what_comes_keeps_its_memory_and_stops_when_told(tmp_path: Path, command: str) -> None:
    with front_door(tmp_path, command) as (url, process):
        one_round(url, process, tmp_path, 100, number=0)
        warm = memory_mib(process.pid)
        # when
        done = one_round(url, process, tmp_path, 100, number=1)
        # then
        assert (done.wrong, done.stored, done.expected) == (0, 100, 100)
        assert done.memory_mib - warm < 10
        # and whatever is not HTTP at all causes one line
        for _ in range(20):
            parts = urlsplit(url)
            with socket.create_connection((parts.hostname, parts.port)) as caller:
                caller.sendall(b"\x16\x03\x01 +393331234567\r\n\r\n")
                assert b"400" in caller.recv(1000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = (tmp_path / f"{command}.log").read_text(encoding="utf-8")
    assert "service.stopped" in log
    assert log.count("Invalid HTTP request received") == 1
    assert "uvicorn.error" not in log
    assert "+39333" not in log
    assert "STOP" not in log
