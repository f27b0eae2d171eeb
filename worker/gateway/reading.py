"""A reply of the gateway, decoded as it arrives: one message at a time, and no more of them than expected.

Only the text that is not decoded yet is kept. Whole messages are decoded in bulk, in a third of the time that one after
the other takes; what that cannot decode is read one value at a time. It accepts what `json.loads` accepts.
"""

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import httpx
import orjson

from worker.gateway.results import Message
from worker.gateway.wire import Envelope, envelope_of, parse_message, refuse_constant

MAX_REPLY_BYTES: Final = 8 * 1024 * 1024
"""About 25,000 messages as the documentation shows them: a send to a contact list of that size gets one reply."""

MAX_MESSAGES: Final = 20_000
"""For a reply to a read: about 20 MB once decoded, and more than a gateway sends in two seconds, the least window."""

MAX_WALKED_BYTES: Final = 64 * 1024 * 1024
"""For a reply from which only some messages are kept: 170,000 messages, in two seconds."""

MAX_VALUE: Final = 1024 * 1024
"""Characters of one message, and of everything that is not a message together. Such a value is decoded whole: 1 MiB of
small objects takes about 25 MB, and 20 MB of them took 480. A message has less than 4 kB."""

BULK_CHARACTERS: Final = 256 * 1024
"""How much is decoded at once: the shortest rows of this take 6 MB."""

_BETWEEN: Final = ("},{", "}, {")
_BOM_BYTES: Final = 4
_FEWEST_CHARACTERS: Final = 64
_NOT_BLANK: Final = re.compile(r"[^ \t\n\r]")
_BETWEEN_ROWS: Final = re.compile(r"[ \t\n\r]*,[ \t\n\r]*(?=[^ \t\n\r])").match
_scan: Final = json.JSONDecoder(parse_constant=refuse_constant).raw_decode


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a body says. `messages` is None if there is no list of them in which every row has an id.

    `digest` is the SHA-256 of the bytes received, in hex. `has_begun`: a list of messages began, whatever came after.
    """

    bytes: int = 0
    digest: str = hashlib.sha256().hexdigest()
    is_blank: bool = True
    envelope: Envelope | None = field(default=None, repr=False)
    messages: tuple[Message, ...] | None = field(default=None, repr=False)
    has_begun: bool = False


class ReplyReader:
    """Takes the bytes of a body as they arrive (`feed`), and returns what they say (`reply`).

    Whatever the bytes, it raises only `httpx.DecodingError`, for more bytes or messages than allowed. With `keep`,
    messages that it rejects are passed over and not counted: what is decoded and kept has the same bounds.
    """

    def __init__(self, *, max_messages: int = MAX_MESSAGES, keep: Callable[[Message], bool] | None = None) -> None:
        self._max_messages = max_messages
        self._max_bytes = MAX_WALKED_BYTES if keep else MAX_REPLY_BYTES
        self._keep = keep
        self._bytes = 0
        self._digest = hashlib.sha256()
        self._is_blank = True
        self._head = b""  # until it shows the encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._parts: list[str] = []  # what arrived since the document was last read
        self._characters = 0  # in the parts and in the rest
        self._text, self._at = "", 0  # not read yet, from `_at` on
        self._is_over = False
        self._has_begun = False
        self._document: Generator[int, None, dict[str, object]] | None = self._top()
        self._wants = 0
        self._may_bulk = True
        self._length = 0  # of the last value
        self._others = 0  # characters of all values except messages
        self._kept = 0  # and of the messages that were not passed over
        self._members: dict[str, object] | None = None

    def feed(self, part: bytes) -> None:
        """Take the next bytes. Raises `httpx.DecodingError`."""
        self._bytes += len(part)
        self._digest.update(part)
        self._is_blank = self._is_blank and not part.strip()
        if self._bytes > self._max_bytes:
            self._end()
            raise httpx.DecodingError(f"more than {self._max_bytes:,} bytes")
        self._read_on(part)

    def reply(self) -> HttpReply:
        """Return what arrived, once nothing more will."""
        self._is_over = True
        self._read_on(b"")
        envelope = None if self._members is None else envelope_of(self._members)
        messages = envelope.data.get("messages") if envelope else None
        is_list = isinstance(messages, tuple)  # JSON has no tuples: this one was made here
        return HttpReply(
            self._bytes,
            self._digest.hexdigest(),
            self._is_blank,
            envelope,
            cast(tuple[Message, ...], messages) if is_list else None,
            self._has_begun,
        )

    def broken(self) -> HttpReply:
        """Return what is known of a reply that broke off or was refused: none of its content is believed."""
        self._end()
        return HttpReply(self._bytes, self._digest.hexdigest(), self._is_blank, has_begun=self._has_begun)

    def _read_on(self, part: bytes) -> None:
        if self._document is None:
            return
        try:
            text = self._decoded(part)
            self._parts.append(text)
            self._characters += len(text)
            if self._characters >= self._wants or self._is_over:
                self._text, self._at = "".join([self._text[self._at :], *self._parts]), 0
                self._parts.clear()
                self._may_bulk = True
                self._wants = next(self._document)
                self._characters = len(self._text) - self._at
        except StopIteration as end:
            self._members = end.value
            self._end()
        except (ValueError, RecursionError):
            self._end()
        except httpx.DecodingError:
            self._end()
            raise

    def _decoded(self, part: bytes) -> str:
        if self._decoder is None:
            self._head += part
            if len(self._head) < _BOM_BYTES and not self._is_over:
                return ""
            part = self._head
            self._decoder = codecs.getincrementaldecoder(json.detect_encoding(part))("surrogatepass")
        return self._decoder.decode(part, self._is_over)

    def _end(self) -> None:
        self._document, self._text, self._at = None, "", 0
        self._parts.clear()

    # The grammar: generators that return a value, and yield how many characters they need before they continue.

    def _top(self) -> Generator[int, None, dict[str, object]]:
        if (yield from self._next()) != "{":
            raise ValueError("it is not an object")
        members = yield from self._object({"data": ("{", self._data)})
        while _NOT_BLANK.search(self._text, self._at) is None:
            if self._is_over:
                return members
            self._at = len(self._text)
            yield 1
        raise ValueError("something follows it")

    def _data(self) -> Generator[int, None, object]:
        return (yield from self._object({"messages": ("[", self._rows)}))

    def _object(
        self, known: Mapping[str, tuple[str, Callable[[], Generator[int, None, object]]]]
    ) -> Generator[int, None, dict[str, object]]:
        """Read an object; the values of `known` keys that begin with the given sign are read in their own way."""
        members: dict[str, object] = {}
        self._at += 1
        if (yield from self._next()) == "}":
            self._at += 1
            return members
        while True:
            if (yield from self._next()) != '"':
                raise ValueError("there is no key")
            key = str((yield from self._other()))
            yield from self._expect(":")
            sign, way = known.get(key, ("", self._other))
            members[key] = yield from (way() if (yield from self._next()) == sign else self._other())
            if (yield from self._expect(",}")) == "}":
                return members

    def _rows(self) -> Generator[int, None, tuple[Message, ...] | None]:
        """Read messages, or return None: see `parse_messages`."""
        self._has_begun = True
        messages: list[Message] = []
        count = 0
        self._at += 1
        if (yield from self._next()) == "]":
            self._at += 1
            return ()
        while True:
            if rows := self._whole_rows():
                read = [(parse_message(row), row) for row in rows]
                if self._keep is not None:
                    read = [each for each in read if each[0] is None or self._keep(each[0])]
                    self._kept += sum(len(orjson.dumps(row)) for _, row in read)
                count += len(read)
                self._bound(count)
                messages += [message for message, _ in read if message is not None]
                yield from self._next()
            message = parse_message((yield from self._value(MAX_VALUE)))
            if message is None or self._keep is None or self._keep(message):
                count += 1
                self._kept += self._length
                self._bound(count)
                if message is not None:
                    messages.append(message)
            if (after := _BETWEEN_ROWS(self._text, self._at)) is not None:  # saves a third of a row's cost
                self._at = after.end()
                continue
            if (yield from self._expect(",]")) == "]":
                return tuple(messages) if len(messages) == count else None
            yield from self._next()

    def _bound(self, count: int) -> None:
        if count > self._max_messages:
            raise httpx.DecodingError(f"more than {self._max_messages:,} messages")
        if self._kept > MAX_REPLY_BYTES:
            raise httpx.DecodingError(f"messages of more than {MAX_REPLY_BYTES:,} characters")

    def _whole_rows(self) -> list[object]:
        """Take the values from here to the last brace that stands between two; none if that is not clear.

        If the text up to there is valid as the inside of a list, then the brace does not belong to the inside of a
        value: that would leave a string or an object open.
        """
        end = self._at + BULK_CHARACTERS
        last = max(self._text.rfind(between, self._at, end) for between in _BETWEEN) if self._may_bulk else -1
        if last < 0:
            return []
        try:
            rows: list[object] = orjson.loads(f"[{self._text[self._at : last + 1]}]")
        except ValueError:
            self._may_bulk = False  # until more text is there: trying at each row would be quadratic
            return []
        self._at = self._text.index(",", last) + 1
        return rows

    def _next(self) -> Generator[int, None, str]:
        """Skip blanks and return the next sign without consuming it."""
        while (found := _NOT_BLANK.search(self._text, self._at)) is None:
            if self._is_over:
                raise ValueError("it ends too early")
            self._at = len(self._text)
            yield 1
        self._at = found.start()
        return found[0]

    def _expect(self, signs: str) -> Generator[int, None, str]:
        sign = yield from self._next()
        if sign not in signs:
            raise ValueError("it continues in an unexpected way")
        self._at += 1
        return sign

    def _other(self) -> Generator[int, None, object]:
        """Read a key, or a value that is not a message."""
        value = yield from self._value(MAX_VALUE - self._others)
        self._others += self._length
        return value

    def _value(self, most: int) -> Generator[int, None, object]:
        """Read a value of at most `most` characters. A longer one is refused at once, however it is cut."""
        while True:
            try:
                value, end = _scan(self._text, self._at)
                length = end - self._at
            except json.JSONDecodeError:
                length = len(self._text) - self._at
                if self._is_over and length <= most:
                    raise ValueError("it ends too early") from None
            else:
                if length <= most and (end < len(self._text) or self._is_over):  # a number at the end may continue
                    self._at, self._length = end, length
                    return cast(object, value)
            if length > most:
                raise httpx.DecodingError(f"a part of more than {MAX_VALUE:,} characters")
            # Doubled, or a long value that arrives in small parts would be scanned once for each part.
            yield min(max(_FEWEST_CHARACTERS, 2 * length), most + 1)


def reply_of(body: bytes, *, max_messages: int = MAX_MESSAGES) -> HttpReply:
    """Return what a whole body says. Raises `httpx.DecodingError`."""
    reader = ReplyReader(max_messages=max_messages)
    reader.feed(body)
    return reader.reply()
