"""What the sandbox knows: its messages, the work of its phones, credits and contacts."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from worker.sandbox.contacts import Contacts
from worker.sandbox.errors import ApiError
from worker.sandbox.ledger import Ledger
from worker.sandbox.messages import Messages, StoredMessage
from worker.sandbox.phones.life import NEVER, Life, Outcome, due_at, received, status_at
from worker.sandbox.phones.models import PhoneChange, PhoneState
from worker.sandbox.running.options import SandboxOptions
from worker.sandbox.targets import PRIMARY_DEVICE, Target

Queue = tuple[int, int, int]
"""Device, slot and schedule (0 without one). Each schedule has its own queue, so that a text for next week does not
hold the SIM up until then."""


class SandboxState:
    """Everything that was accepted, restored from the ledger if there is one.

    Methods take `now` in unix seconds. Raises `SandboxError` if the ledger cannot be used.
    """

    def __init__(self, options: SandboxOptions) -> None:
        self.messages = Messages()
        self.contacts = Contacts()
        self._options = options
        self._rules = options.life_rules()
        self._free_at: dict[Queue, float] = {}
        self._spent = 0
        self._off: set[int] = set()
        self._failing: dict[int, int] = {}  # device -> result code
        self._ledger = Ledger(options.ledger)
        for message in self._ledger.open():
            self._take_in([message])
        self.last_request = max((message.request for message in self.messages), default=0)
        """The number of the last request on record when this sandbox started."""

    @property
    def credits(self) -> int | None:
        """Return the credits left, None for unlimited."""
        return None if self._options.credits is None else self._options.credits - self._spent

    def accept(
        self,
        rows: Sequence[tuple[str, str]],
        targets: Sequence[Target],
        *,
        schedule: int | None,
        random_target: bool,
        now: float,
        request: int = 0,
    ) -> list[StoredMessage]:
        """Accept texts (number, text) and deal them out to the targets in turn: 12 over three targets go 4 + 4 + 4.

        With `random_target` one of the targets gets them all; `request` is the number to record. Raises `ApiError` if
        there are not enough credits.
        """
        if self.credits is not None and self.credits < len(rows):
            raise ApiError(500, "You have insufficient credits to send these messages.")
        first_id = self.messages.last_id + 1
        if random_target:
            targets = [targets[_digest(self._options.seed, first_id)[0] % len(targets)]]
        due = due_at(now, schedule)
        groups = self._groups(first_id, targets, now)
        # The SIMs' queues change only once everything is on record: a full disk then refuses a request without a trace.
        free_at: dict[Queue, float] = {}
        messages = []
        for offset, (number, text) in enumerate(rows):
            target = targets[offset % len(targets)]
            queue = (target.device, target.slot or 0, schedule or 0)
            free = free_at[queue] if queue in free_at else self._free_at.get(queue, 0.0)
            life = self._life(first_id + offset, number, target.device, due, free)
            if life.sent_at != NEVER:
                free_at[queue] = life.sent_at
            messages.append(
                StoredMessage(
                    first_id + offset,
                    number,
                    text,
                    target.device,
                    target.slot,
                    groups[target.device],
                    schedule,
                    now,
                    life,
                    request,
                )
            )
        self._ledger.append(messages)
        self._take_in(messages)
        return messages

    def _life(self, message_id: int, number: str, device: int, due: float, free_at: float) -> Life:
        life = self._rules.life(message_id, number, due, free_at, self._failing.get(device))
        return _waiting(life) if device in self._off else life

    def change_phone(self, change: PhoneChange, *, now: float) -> None:
        """Switch a phone off or on, or make it fail. The ledger file keeps the lives that messages began with."""
        device = change.device
        if change.state is PhoneState.FAILING:
            self._failing[device] = change.result_code
        else:
            self._failing.pop(device, None)
        unsent = [message for message in self.messages if message.device == device and message.life.sent_at > now]
        if change.state is PhoneState.OFF:
            self._off.add(device)
            self.messages.replace([message._replace(life=_waiting(message.life)) for message in unsent])
        elif device in self._off:
            self._off.remove(device)
            self._wake(unsent, now)

    def _wake(self, unsent: Sequence[StoredMessage], now: float) -> None:
        free_at: dict[int, float] = {}
        woken = []
        for message in unsent:
            sim = message.sim or 0
            due = max(message.life.due_at, now)
            life = self._life(message.id, message.number, message.device, due, free_at.get(sim, now))
            if life.sent_at != NEVER:
                free_at[sim] = life.sent_at
            woken.append(message._replace(life=life))
        self.messages.replace(woken)
        for sim, free in free_at.items():
            self._free_at[woken[0].device, sim, 0] = free

    def receive(self, number: str, text: str, *, now: float) -> StoredMessage:
        """Accept a text from a person to the primary device."""
        message_id = self.messages.last_id + 1
        message = StoredMessage(message_id, number, text, PRIMARY_DEVICE, 0, None, None, now, received(now))
        self._ledger.append([message])
        self._take_in([message])
        return message

    def count_by_status(self, now: float) -> dict[str, int]:
        """Return how many messages have which status at `now`."""
        return dict(Counter(status_at(message.life, now) for message in self.messages))

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def _take_in(self, messages: Sequence[StoredMessage]) -> None:
        self.messages.add(messages)
        for message in messages:
            if message.life.outcome is Outcome.RECEIVED:
                continue
            self._spent += 1
            if message.life.sent_at != NEVER:
                queue = (message.device, message.sim or 0, message.schedule or 0)
                self._free_at[queue] = max(self._free_at.get(queue, 0.0), message.life.sent_at)

    def _groups(self, first_id: int, targets: Sequence[Target], now: float) -> dict[int, str]:
        devices = dict.fromkeys(target.device for target in targets)
        if self._options.group_per_device:
            return {device: self._group(f"{first_id}.{device}", now) for device in devices}
        return dict.fromkeys(devices, self._group(str(first_id), now))

    def _group(self, name: str, now: float) -> str:
        # The documented shape, `)V5LxqyBMEbQrl9*J$5bb4c03e8a07b7.62193871`, with the characters that a client must
        # encode. The first ID makes it unique: with a ledger, IDs keep growing across restarts.
        letters = _digest(self._options.seed, name).hex()
        return f"){letters[:14]}*{letters[14]}${int(now * 1_000_000):x}.{name}"


def _waiting(life: Life) -> Life:
    return life._replace(turn_at=NEVER, sent_at=NEVER, done_at=NEVER)


def _digest(seed: int, name: object) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest()
