"""The pictures of scheduler/web/desk/GUIDE.md, taken anew while the walk of the tests is made: `make screenshots`."""

import tempfile
from pathlib import Path
from typing import Final

from tests.scheduler.web.desk.browser import chromium
from tests.scheduler.web.desk.walk import STEPS, Walk
from tests.scheduler.web.desk.walking import Way, hands, rehearsal

PICTURES: Final = Path(__file__).parents[4] / "scheduler/web/desk/screenshots"


def main() -> None:
    """Write them."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, rehearsal(Path(folder)) as service:
        size = {"viewport": {"width": 1280, "height": 760}}
        walk = Walk(
            service, hands(browser, Way.SCRIPT, **size), hands(browser, Way.SCRIPT, **size), Path(folder), PICTURES
        )
        for step in STEPS:
            step(walk)


if __name__ == "__main__":
    main()
