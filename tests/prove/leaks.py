"""Search every log, output and queue for what must not be in it: the API key, full phone numbers, texts."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote_plus

import redis

PROBE_CHARACTERS: Final = 16
"""How much of a text's beginning is searched for: enough to rule out chance, little enough to find a cut text."""

HEAD_CHARACTERS: Final = 8
"""A campaign's texts start alike: an output without any of the few first halves has none of 100,000 beginnings."""

_DIGITS: Final = re.compile(r"\d{8,}")


def leaks(outputs: Mapping[str, str], *, key: str, numbers: Iterable[str], texts: Iterable[str]) -> list[str]:
    """One sentence for each kind of secret in each output, without the secret itself."""
    digits = {number.lstrip("+") for number in numbers}
    probes = {form for text in texts for form in _forms(text[:PROBE_CHARACTERS])}
    heads = {probe[:HEAD_CHARACTERS] for probe in probes}
    found = []
    for name, content in outputs.items():
        if key and any(form in content for form in _forms(key)):
            found.append(f"{name}: the API key stands in it")
        count = _numbers_in(content, digits)
        if count:
            found.append(f"{name}: {count} full phone numbers stand in it")
        has_head = any(head in content for head in heads)
        count = sum(probe in content for probe in probes) if has_head else 0
        if count:
            found.append(f"{name}: {count} beginnings of texts stand in it")
    return found


def _numbers_in(content: str, digits: set[str]) -> int:
    """How many of the numbers occur, even inside a longer run of digits (`0039...`)."""
    lengths = {len(number) for number in digits}
    seen: set[str] = set()
    for match in _DIGITS.finditer(content):
        run = match.group()
        for length in lengths:
            seen.update(part for i in range(len(run) - length + 1) if (part := run[i : i + length]) in digits)
    return len(seen)


def _forms(secret: str) -> set[str]:
    """The secret as it is, as JSON writes it, and as a form body encodes it."""
    return {secret, json.dumps(secret)[1:-1], quote_plus(secret)} if secret else set()


def dump_redis(url: str) -> str:
    """Every key and value of a Redis, readable. Not by DUMP: it compresses, and would hide what is searched for."""
    with redis.Redis.from_url(url, socket_timeout=10) as client:
        return "\n".join(f"{key!r} {_value(client, key)!r}" for key in client.scan_iter())


def _value(client: redis.Redis, key: bytes) -> Any:
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"hash":
            return client.hgetall(key)
        case b"zset":
            return client.zrange(key, 0, -1, withscores=True)
        case b"stream":
            return client.xrange(key)
        case _:
            return None  # it ended between the two queries
