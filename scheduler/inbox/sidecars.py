"""The files that appear beside a campaign file: NAME.status.txt and NAME.report.csv."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from scheduler.report.rows import write_csv
from worker.store.engine import Store


def status_path(campaign_file: Path) -> Path:
    """Where the status of a campaign file is written."""
    return campaign_file.with_name(f"{_name(campaign_file)}.status.txt")


def report_path(campaign_file: Path) -> Path:
    """Where the report of a campaign file is written."""
    return campaign_file.with_name(f"{_name(campaign_file)}.report.csv")


def write_status(campaign_file: Path, text: str) -> None:
    """Replace the status. Raises `OSError`."""
    with _replaced(status_path(campaign_file)) as stream:
        stream.write(text)


def write_report(campaign_file: Path, store: Store, run_id: int) -> None:
    """Replace the report. Raises `OSError`."""
    with _replaced(report_path(campaign_file)) as stream:
        write_csv(store, run_id, stream, with_resends=True)


def _name(campaign_file: Path) -> str:
    """The file's name without its ending; with it where NAME.yaml beside it has the sidecars of that name already."""
    rival = campaign_file.with_suffix(".yaml")
    return campaign_file.name if campaign_file.suffix != ".yaml" and rival.exists() else campaign_file.stem


@contextmanager
def _replaced(path: Path) -> Iterator[TextIO]:
    """A new version that takes the place of the old one when it is whole: nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.tmp")
    draft.unlink(missing_ok=True)
    try:
        # "x" does not follow a link: whoever may write into the inbox cannot have files elsewhere overwritten.
        with draft.open("xb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as stream:
            yield stream
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
