"""The switchboard: which plan is in force, what it means for each request, and the result."""

import asyncio
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace

from campaigns.clock import Clock
from worker.sandbox.errors import SandboxError
from worker.sandbox.exchange import Perform, Reply, Request, RequestKind
from worker.sandbox.faults.case import Case, Draw
from worker.sandbox.faults.log import FaultLog
from worker.sandbox.faults.plan import FaultPlan
from worker.sandbox.faults.table import FAULTS


class FaultBoard:
    """Numbers the requests, draws their faults, and carries out those of HTTP.

    With `has_proxy`, a `FaultProxy` stands in front: it draws first, hands its draws over, and carries out the faults
    below HTTP. It runs in another thread. `last_number` is the number of the last request before this start.
    """

    def __init__(
        self, plan: FaultPlan, *, clock: Clock, log: FaultLog, has_proxy: bool = False, last_number: int = 0
    ) -> None:
        self.log = log
        self._clock = clock
        self._has_proxy = has_proxy
        self._lock = threading.Lock()
        self._number = last_number
        self._handed_over: dict[int, Draw] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self.put_in_force(plan)

    @property
    def plan(self) -> FaultPlan:
        """Return the plan in force."""
        return self._plan

    def put_in_force(self, plan: FaultPlan) -> None:
        """Use another plan from now on; its times and counts start again. Faults already drawn stay drawn.

        Raises `SandboxError` if the plan has faults below HTTP and there is no proxy for them.
        """
        if plan.needs_proxy and not self._has_proxy:
            raise SandboxError("Faults below HTTP need the proxy: start the sandbox with --proxy.")
        with self._lock:
            self._plan = plan
            self._nth: Counter[RequestKind] = Counter()
            self._since_seconds = self._clock.elapsed_seconds()

    def draw(self, kind: RequestKind) -> Draw:
        """Number a request, or count a connection, and decide what goes wrong with it."""
        with self._lock:
            number = None
            if kind is not RequestKind.CONNECT:
                number = self._number = self._number + 1
            self._nth[kind] += 1
            nth, plan = self._nth[kind], self._plan
            elapsed_seconds = self._clock.elapsed_seconds() - self._since_seconds
        fault, choice = plan.draw(kind, nth, elapsed_seconds)
        return Draw(self._clock.now().timestamp(), kind, nth, number, fault, choice, plan.times)

    def hand_over(self, port: int, draw: Draw) -> None:
        """Tell `receive` what was drawn for the next request from this local port."""
        with self._lock:
            self._handed_over[port] = draw

    def receive(self, kind: RequestKind, port: int | None) -> Draw:
        """Return the draw of a request that has arrived from a port: the one handed over, or a new one."""
        with self._lock:
            handed_over = None if port is None else self._handed_over.pop(port, None)
        if handed_over is not None:
            return handed_over
        draw = self.draw(kind)
        if draw.fault is not None and FAULTS[draw.fault].needs_proxy:
            return replace(draw, fault=None)  # the request went around the proxy, and so around the fault
        return draw

    async def answer(self, request: Request, draw: Draw, perform: Perform) -> Reply:
        """Return the reply that the client gets; `perform` returns the honest one."""
        if draw.fault is None:
            return perform()
        fault = FAULTS[draw.fault]
        case = Case(request, draw, perform, later=self._later)
        reply = case.perform() if fault.act is None else fault.act(case)
        if not fault.is_late:
            self.log.write(draw, case.stored)
        if fault.is_slow:
            await self._wait(draw.times.slow_seconds)
        return reply

    def stop(self) -> None:
        """End all waiting. Late effects that are still to come never happen."""
        self._stopping.set()
        for task in self._late:
            task.cancel()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _later(self, case: Case, seconds: float) -> None:
        async def take_effect() -> None:
            await asyncio.sleep(seconds)
            case.perform()

        def record(task: asyncio.Task[None]) -> None:
            self._late.discard(task)
            self.log.write(case.draw, case.stored)

        task = asyncio.create_task(take_effect())
        self._late.add(task)
        task.add_done_callback(record)  # also when it is cancelled before its first step
