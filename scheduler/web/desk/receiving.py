"""Forms with files: read as they come, and bounded in number, length and time."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final
from urllib.parse import parse_qs

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from campaigns.definition.loader import MAX_BYTES
from scheduler.actions.refusals import Refusal
from scheduler.web.api.problems import CallProblem, Fault
from scheduler.web.serving import MOVED_AT

MOST_FILES: Final = 10
MOST_FIELDS: Final = 200
MOST_BYTES: Final = 64 * 1024 * 1024
"""A hundred thousand people with ten columns take a tenth of it. The API takes larger tables."""

MOST_SECONDS: Final = 300.0


MOST_FORM_BYTES: Final = 256 * 1024
MOST_PLAIN_FIELDS: Final = 500
FORM_SECONDS: Final = 10.0
"""For a form without files."""


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a form. Its name is whatever the browser says; it is closed once the form was answered."""

    filename: str
    content: BinaryIO


Form = tuple[Mapping[str, str], Mapping[str, Sequence[SentFile]]]


@asynccontextmanager
async def form_with_files(request: Request) -> AsyncIterator[Form]:
    """The fields of a form, each with its first value, and its files. Raises `CallProblem`."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        request.scope[MOVED_AT] = asyncio.get_running_loop().time()
        received += len(message.get("body", b""))
        if received > MOST_BYTES:
            sentence = (
                f"all files together may have at most {MOST_BYTES // 1024**2} MB: bring fewer at once; "
                "for a larger table, ask somebody who uses the API (PUT /v1/tables)"
            )
            raise CallProblem(Fault.TOO_LARGE, sentence)
        return message

    bounded = Request(request.scope, receive)
    try:
        async with asyncio.timeout(MOST_SECONDS):
            # A field may be as long as a campaign file, and its line breaks come as two bytes.
            form = await bounded.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=2 * MAX_BYTES)
    except TimeoutError:
        raise CallProblem(Fault.TOO_SLOW, "the form did not arrive in time; send it again") from None
    except HTTPException:
        sentence = (
            f"the form cannot be read: it may have at most {MOST_FILES} files and a text of {MAX_BYTES // 1024} kB; "
            "open the page again"
        )
        raise CallProblem(Refusal.INVALID, sentence) from None
    try:
        fields: dict[str, str] = {}
        files: dict[str, list[SentFile]] = {}
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                fields.setdefault(name, value)
            elif value.filename:  # a browser sends an empty one where none was chosen
                files.setdefault(name, []).append(SentFile(value.filename, value.file))
        yield fields, files
    finally:
        await form.close()


async def bounded_body(request: Request, most_bytes: int, large: str, *, seconds: float) -> bytes:
    """Return the whole body. Raises `TimeoutError`, and `CallProblem` with the sentence `large` for a larger one."""
    body = bytearray()
    async with asyncio.timeout(seconds):
        async for part in request.stream():
            body += part
            if len(body) > most_bytes:
                raise CallProblem(Fault.TOO_LARGE, large)
    return bytes(body)


async def plain_form(request: Request) -> Mapping[str, str]:
    """Return the first value of each field of a form without files. Raises `CallProblem`."""
    large = f"a form may have at most {MOST_FORM_BYTES // 1024} kB"
    try:
        body = await bounded_body(request, MOST_FORM_BYTES, large, seconds=FORM_SECONDS)
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MOST_PLAIN_FIELDS)
    except TimeoutError:
        raise CallProblem(Fault.TOO_SLOW, "the form did not arrive in time; send it again") from None
    except ValueError:
        raise CallProblem(Refusal.INVALID, "the form cannot be read; open the page again") from None
    return {name: values[0] for name, values in fields.items()}
