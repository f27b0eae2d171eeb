"""An inbox on a bad share: files that come in pieces with wrong times, and a share that is away for a while."""

import os
import random
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.prove.faults.disks import bind, in_memory, unmount
from tests.prove.faults.trial import CAMPAIGN, Fault, World
from tests.prove.world.evidence import Ceiling, Evidence
from tests.prove.world.product import FIRST_NUMBER, Audience

MORE: Final = 60
"""People who are added to the table while the campaign is sent."""

PIECE_BYTES: Final = 700
PAUSE_SECONDS: Final = 0.45
"""Between two pieces, as over a slow line. A file that pauses for longer may count as complete: 0.7 s at first."""

AWAY_SECONDS: Final = 5.0
DAY_SECONDS: Final = 86_400


class SlowShare(Fault):
    """Table and campaign come in pieces, cut in the middle of a number, with times that jump by days.

    Then the share is away twice while texts are sent, the table is replaced by a copy, and by a longer one that comes
    slowly again.
    """

    name = "inbox on a slow share"
    people = 300
    rate = 8
    told = ("inbox.away", "inbox.back")

    def arrange(self, world: World, stack: ExitStack) -> None:
        self._rng = random.Random(7)
        self._share = stack.enter_context(in_memory(world.stage.folder / "share", "8m"))
        self._at = world.stage.inbox
        stack.callback(unmount, self._at)
        self._mount()

    def _mount(self) -> None:
        bind(self._share, self._at)

    def campaign(self, world: World) -> Audience:
        path = self._at / f"{CAMPAIGN}.yaml"
        text = (
            f"campaign: {CAMPAIGN}\n"
            f"message: Ciao {{{{ first_name }}}}, this is {CAMPAIGN}. Reply STOP to opt out.\n"
            f"audience:\n  - file: {CAMPAIGN}.csv\n    number: phone\n"
            f"throughput:\n  batch_size: {self.batch}\n  rate: {self.rate}/second\nfollow: {{until: 1m}}\n"
        )
        partial = path.with_suffix(".yaml.part")
        self._slowly(partial, text)
        partial.rename(path)
        self._slowly(self._at / f"{CAMPAIGN}.csv", self._rows(self.people))
        return self._audience(path, self.people)

    def happen(self, world: World) -> None:
        table = self._at / f"{CAMPAIGN}.csv"
        for _ in range(2):
            unmount(self._at)
            time.sleep(AWAY_SECONDS)
            left = sorted(path.name for path in self._at.iterdir())
            if left:
                world.broken.append(f"while the share was away, this was written in its place: {left}")
            self._mount()
            copy = table.with_suffix(".copy")
            copy.write_text(table.read_text())
            os.utime(copy, (0, time.time() - 30 * DAY_SECONDS))
            copy.replace(table)
            world.await_sent(world.stored() + 8)
        self._slowly(table, self._rows(self.people + MORE))
        (self._at / f"{CAMPAIGN}.yaml").touch()

    def is_over(self, world: World) -> bool:
        report = self._at / f"{CAMPAIGN}.report.csv"
        return report.exists() and report.read_bytes().count(b"\n") > self.people + MORE

    def evidence(self, world: World, audience: Audience, ceiling: Ceiling) -> Evidence:
        return super().evidence(world, self._audience(audience.path, self.people + MORE), ceiling)

    def _rows(self, people: int) -> str:
        return "phone,first_name\n" + "".join(f"+39{FIRST_NUMBER + n},Anna{n}\n" for n in range(people))

    def _audience(self, path: Path, people: int) -> Audience:
        return Audience(path, CAMPAIGN, people, frozenset(f"+39{FIRST_NUMBER + n}" for n in range(people)))

    def _slowly(self, path: Path, text: str) -> None:
        """Write in pieces; after each, its time of writing is somewhere within a year."""
        with path.open("w", encoding="utf-8") as file:
            for start in range(0, len(text), PIECE_BYTES):
                file.write(text[start : start + PIECE_BYTES])
                file.flush()
                at = time.time() + self._rng.uniform(-180, 180) * DAY_SECONDS
                os.utime(path, (at, at))
                time.sleep(self._rng.uniform(0.1, PAUSE_SECONDS))
