"""Disks that are full, or that become read-only after an error: of SQLite and the inbox, and of PostgreSQL.

They are real ones, a file system in memory and an ext4 in a file, so this needs root on Linux.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.prove.faults.trial import Fault, Ground, World, ground
from tests.prove.world.stage import Backing
from tests.support.servers import PostgresServer, RedisServer
from worker.servers.conditions import Trouble

FULL_SECONDS: Final = 6.0


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


@contextmanager
def mounted(folder: Path, *options: str | Path) -> Iterator[Path]:
    """A file system at this folder, with these arguments of `mount`; undone even if files in it are open."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", *options, folder)
    try:
        yield folder
    finally:
        unmount(folder)


def unmount(folder: Path) -> None:
    """Take away what is mounted there, even if files in it are open; harmless if nothing is."""
    subprocess.run(["umount", "--lazy", folder], check=False, capture_output=True)


def bind(folder: Path, at: Path) -> None:
    """Let a folder show in another place."""
    _run("mount", "--bind", folder, at)


def in_memory(folder: Path, size: str, *more: str) -> AbstractContextManager[Path]:
    """A disk of this size in memory."""
    return mounted(folder, "-t", "tmpfs", "-o", ",".join([f"size={size}", *more]), "tmpfs")


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Somebody else's file takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        for size in (1 << 20, 4_096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        ballast.unlink()


class FragileDisk:
    """An ext4 that can fail as one does after an error of its disk: read-only from then on, until it is repaired."""

    def __init__(self, folder: Path, size: str, stack: ExitStack) -> None:
        self.folder = folder
        folder.mkdir()
        image = folder.with_suffix(".image")
        _run("truncate", "--size", size, image)
        _run("mkfs.ext4", "-q", "-F", image)
        self._device = _run("losetup", "--find", "--show", image)
        stack.callback(subprocess.run, ["losetup", "--detach", self._device], check=False)
        self._mount()
        stack.callback(unmount, folder)
        folder.chmod(0o1777)

    def _mount(self) -> None:
        _run("mount", "-o", "errors=remount-ro", self._device, self.folder)

    def fail(self) -> None:
        """From now on nothing can be written; what was not synced is lost."""
        _run("mount", "-o", "remount,abort", self.folder)

    def repair(self) -> None:
        """What an operator does once nothing has it open any more."""
        _run("umount", self.folder)
        checked = subprocess.run(["fsck.ext4", "-fy", self._device], capture_output=True, text=True, check=False)
        if checked.returncode > 1:  # 1: errors were corrected
            raise RuntimeError(f"fsck: {checked.stdout[-300:]}")
        self._mount()


class FullDisk(Fault):
    """The disk that database and inbox share is full for some seconds."""

    name = "disk full"
    told = (Trouble.DATABASE_FULL,)
    waits_seconds = 30.0
    because = "a status or report that could not be written is tried again after 30 s (scheduler/inbox/status.py)"

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        self.disk = stack.enter_context(in_memory(folder / "disk", "12m"))
        (self.disk / "inbox").mkdir()
        return Ground(Backing(f"sqlite:///{self.disk}/campaigns.db"))

    def arrange(self, world: World, stack: ExitStack) -> None:
        stack.enter_context(mounted(world.stage.inbox, "--bind", self.disk / "inbox"))

    def happen(self, world: World) -> None:
        with filled(self.disk):
            world.await_said('"trouble.began"')
            world.nothing_is_sent(FULL_SECONDS)


class FullDiskOfPostgres(Fault):
    """PostgreSQL's disk is full for some seconds. If that ends the server, somebody starts it again."""

    name = "disk full, PostgreSQL"
    is_fleet = True
    people = 600
    rate = 40

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        self.disk = stack.enter_context(in_memory(folder / "disk", "160m"))
        return _on(self.disk, stack)

    def happen(self, world: World) -> None:
        with filled(self.disk):
            world.await_said('"trouble.began"')
            time.sleep(FULL_SECONDS)
        _start_again(world)


class ReadOnlyDisk(Fault):
    """The disk of the database becomes read-only. Somebody stops the service, repairs the disk and starts it again."""

    name = "read-only disk"
    is_restarted = True

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        self.disk = FragileDisk(folder / "disk", "64M", stack)
        return Ground(Backing(f"sqlite:///{self.disk.folder}/campaigns.db"))

    def happen(self, world: World) -> None:
        self.disk.fail()
        world.await_said('"trouble.began"')
        world.nothing_is_sent(FULL_SECONDS)
        roles = world.stop_services()
        self.disk.repair()
        for role in roles:
            world.start(role)


class ReadOnlyDiskOfPostgres(Fault):
    """PostgreSQL's disk becomes read-only. Somebody stops the server, repairs the disk and starts it again."""

    name = "read-only disk, PostgreSQL"
    is_fleet = True
    people = 600
    rate = 40

    def prepare(self, folder: Path, stack: ExitStack) -> Ground:
        self.disk = FragileDisk(folder / "disk", "256M", stack)
        prepared = _on(self.disk.folder, stack)
        _run("sync", "--file-system", self.disk.folder)  # the cluster was made in a hurry
        return prepared

    def happen(self, world: World) -> None:
        self.disk.fail()
        world.await_said('"trouble.began"')
        time.sleep(FULL_SECONDS)
        postgres = world.ground.postgres
        assert postgres is not None
        postgres.stop()
        self.disk.repair()
        postgres.start()


def _on(disk: Path, stack: ExitStack) -> Ground:
    """A fleet's servers, whose PostgreSQL keeps its files there, safely."""
    redis, postgres = RedisServer(), PostgresServer(data=disk / "data", is_durable=True)
    for server in (redis, postgres):
        stack.callback(server.close)
        server.start()
    return ground(postgres, redis)


def _start_again(world: World) -> None:
    postgres = world.ground.postgres
    assert postgres is not None
    if not postgres.is_running:
        postgres.stop()
        postgres.start()
