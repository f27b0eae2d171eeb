"""Open pages: each follows its live part, as the desk's script does.

`python -m tests.bench.stored.watching DOOR SECONDS` reads a cookie and an address a line, and prints the seconds that
the first event of each took, and how many events there were.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

OPENED_SECONDS: Final = 2.0
"""During which the pages are opened, one after the other."""


async def watch(door: str, pages: list[tuple[str, str]], seconds: float) -> tuple[list[float], int]:
    """Let all pages be open for so long; return what the first event of each took, and how many there were in all."""
    parts, end, taken, events = urlsplit(door), time.monotonic() + seconds, list[float](), 0

    async def page(place: int, cookie: str, address: str) -> None:
        nonlocal events
        await asyncio.sleep(min(OPENED_SECONDS, seconds / 2) * place / len(pages))
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
        began, is_first = time.perf_counter(), True
        head = (
            f"GET {address} HTTP/1.1\r\nHost: {parts.netloc}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n"
        )
        writer.write(head.encode())
        said = (await reader.readuntil(b"\r\n\r\n")).decode()
        if " 200 " not in said.partition("\r\n")[0]:
            raise ValueError(f"{address} was answered with {said.partition(chr(13))[0]}")
        with suppress(TimeoutError):
            async with asyncio.timeout(end - time.monotonic()):
                async for line in reader:
                    if line.startswith(b"data:"):
                        events += 1
                        if is_first:
                            taken.append(time.perf_counter() - began)
                        is_first = False
        writer.close()

    await asyncio.gather(*(page(place, *each) for place, each in enumerate(pages)))
    await asyncio.sleep(max(0.0, end - time.monotonic()))
    return taken, events


if __name__ == "__main__":
    lines = [line.split() for line in sys.stdin.read().splitlines()]
    found = asyncio.run(watch(sys.argv[1], [(cookie, address) for cookie, address in lines], float(sys.argv[2])))
    sys.stdout.write(json.dumps(found))
