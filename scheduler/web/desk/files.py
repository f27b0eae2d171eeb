"""Files that a page offers to keep: written to disk at once, and read as their reader takes them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from tempfile import TemporaryFile
from typing import IO, Final, TextIO
from urllib.parse import quote

from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from scheduler.web.api.listing import moving

PART_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class DeskFile:
    """A file to keep: its name, and its content, which is closed once it was read."""

    name: str
    media_type: str
    content: IO[bytes]


def written(name: str, media_type: str, write: Callable[[TextIO], object]) -> DeskFile:
    """Return what `write` writes. Somebody who takes it slowly keeps no snapshot of the database open."""
    file = TemporaryFile()  # noqa: SIM115  closed by who reads it
    try:
        stream = TextIOWrapper(file, "utf-8", "replace", newline="")
        write(stream)
        stream.flush()
        stream.detach()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return DeskFile(name, media_type, file)


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while part := file.read(PART_BYTES):
            yield part


def file_answer(request: Request, file: DeskFile) -> StreamingResponse:
    """Return a file as an answer that a browser keeps and does not show."""
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}"}
    return StreamingResponse(
        moving(request, iterate_in_threadpool(_parts(file.content))), media_type=file.media_type, headers=headers
    )
