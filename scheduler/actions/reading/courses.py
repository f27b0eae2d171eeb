"""How far a run was over time."""

from collections.abc import Collection, Mapping
from datetime import datetime

from campaigns.following.course import Brake
from scheduler.report.course import SeenCourse, seen_course
from scheduler.report.summary import RunProgress
from worker.store.engine import Store
from worker.store.reports import courses
from worker.store.reports.counts import kept, states


def read_course(store: Store, seen: RunProgress, *, now: datetime) -> SeenCourse:
    """Return the course of a run up to now, or to its end. What changed since it was last written down is added."""
    run = seen.run
    with store.read() as session:
        course, known = courses.load_course(session, run.id)
        counts = courses.stages(states(kept(session, [run.id])[run.id]))
    grown = [count - before for count, before in zip(counts, course.totals, strict=True)]
    if any(grown) and course.added:
        course.add((run.finished_at or now).timestamp(), *grown)
    lines = tuple(course.line(kind) for kind in range(course.kinds))
    return seen_course(seen, run, lines, known, now)


def read_brakes(store: Store, run_ids: Collection[int]) -> Mapping[int, Brake]:
    """Return what keeps these runs back, as it was last written down."""
    with store.read() as session:
        return courses.last_brakes(session, run_ids)
