"""The examination of the installation, for doors: the doctor is above them, so whoever opens a door brings it along."""

from collections.abc import Callable

from scheduler.actions.shapes.seen import ExaminedShape

Examine = Callable[[], ExaminedShape]


def examined_by(examine: Examine | None) -> ExaminedShape:
    """Return what is found. Raises `CallProblem` where the door was given nothing that looks."""
    from scheduler.web.api.problems import CallProblem, Fault  # only a process that listens needs FastAPI

    if examine is None:
        raise CallProblem(Fault.NOT_FOUND, "this process cannot check the installation: run `campaigns doctor`")
    return examine()
