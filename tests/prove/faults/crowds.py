"""An inbox with a million files that are no campaigns, and many that are over: looks stay cheap, texts in time."""

import os
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Final

from scheduler.inbox.files import list_campaign_files
from tests.prove.faults.disks import in_memory
from tests.prove.faults.trial import CAMPAIGN, Fault, World
from tests.prove.world.evidence import Ceiling, Evidence
from tests.prove.world.product import Audience, write_campaign

FOREIGN: Final = 1_000_000
OVER: Final = 200
"""Campaigns of one person each that are over, with their status and report beside them."""

LOOK_SECONDS: Final = 20.0
MOST_CPU: Final = 0.35
"""Of a core: from thousands of files on, looking takes a fifth of one (scheduler/ticks/inbox.py), and an idle service a
hundredth."""

MOST_GROWTH_MIB: Final = 64.0
SEEN_SECONDS: Final = 60.0
"""Until a dropped campaign is sent: some looks, of seconds on a busy machine, and a pause four times as long before."""


class ManyFiles(Fault):
    """So many foreign files in the inbox, in one folder."""

    name = "many files in the inbox"
    people = 400
    rate = 40
    foreign: ClassVar[int] = FOREIGN
    over: ClassVar[int] = OVER
    look_seconds: ClassVar[float] = LOOK_SECONDS

    def begin(self, world: World) -> Audience:
        process = world.start("up")
        assert process.pid is not None
        inbox = world.stage.inbox
        for number in range(self.over):
            write_campaign(inbox, f"old-{number}", recipients=1, first=100_000 + number)
        world.until(
            lambda: sum(1 for _ in inbox.glob("*.report.csv")) == self.over, "the old campaigns did not end", 600
        )
        world.earlier = -world.stage.stored()
        few = cpu_share(process.pid, self.look_seconds)
        resident = peak_mib(process.pid)
        for number in range(self.foreign):
            os.close(os.open(f"{inbox}/scan-{number:07}.pdf", os.O_CREAT | os.O_WRONLY))
        began = time.monotonic()
        list_campaign_files(inbox)
        look = time.monotonic() - began
        many = cpu_share(process.pid, self.look_seconds)
        growth = peak_mib(process.pid) - resident
        dropped = time.monotonic()
        audience = self.campaign(world)
        world.await_sent(1)
        seen = time.monotonic() - dropped
        if many > MOST_CPU:
            world.broken.append(f"an idle service took {many:.0%} of a core")
        if growth > MOST_GROWTH_MIB:
            world.broken.append(f"the service grew by {growth:.0f} MiB")
        if seen > SEEN_SECONDS:
            world.broken.append(f"a dropped campaign was sent only after {seen:.0f} s")
        self._figures = (
            f"{self.foreign:,} files, {self.over} campaigns that are over: a look takes {look:.2f} s; idle {many:.1%} "
            f"of a core (before {few:.1%}); {growth:+.0f} MiB; a dropped campaign is sent after {seen:.1f} s"
        )
        return audience

    def happen(self, world: World) -> None:
        world.await_sent(self.people // 2)

    def evidence(self, world: World, audience: Audience, ceiling: Ceiling) -> Evidence:
        found = super().evidence(world, audience, ceiling)
        mine = tuple(row for row in found.stored if CAMPAIGN in row.text)
        return replace(found, stored=mine)

    def figures(self) -> str:
        return getattr(self, "_figures", "")


class MillionFiles(ManyFiles):
    """A million foreign files in the inbox, in one folder, and many campaigns that are over."""

    name = "a million files in the inbox"

    def arrange(self, world: World, stack: ExitStack) -> None:
        stack.enter_context(in_memory(world.stage.inbox, "1g", "nr_inodes=0"))


def cpu_share(pid: int, seconds: float) -> float:
    """The part of a core that a process takes within so many seconds."""
    before, began = _cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (_cpu_seconds(pid) - before) / (time.monotonic() - began)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most memory that a process had so far, in MiB."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
