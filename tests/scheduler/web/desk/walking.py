"""A real `campaigns up --sandbox`, and hands that walk through its desk: by mouse, without script, or by keyboard."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from urllib.request import urlopen

from playwright.sync_api import Browser, Locator, Page, expect

SETTINGS: Final[Mapping[str, str]] = {
    "CAMPAIGNS_HTTP": "127.0.0.1:0",
    "CAMPAIGNS_FOUR_EYES": "true",
    "CAMPAIGNS_TIMEZONE": "Europe/Rome",
    "CAMPAIGNS_REGION": "IT",
    "CAMPAIGNS_SEND_BY_SECONDS": "2",
    "CAMPAIGNS_SETTLE_SECONDS": "3",
    "CAMPAIGNS_FIRST_POLL_SECONDS": "0.3",
    "CAMPAIGNS_MAX_POLL_SECONDS": "1",
    "CAMPAIGNS_STUCK_AFTER_SECONDS": "2",
}
"""The protocol's times, a hundredth of the usual: what takes minutes in service takes seconds here."""

COMMAND: Final = (sys.executable, "-c", "from scheduler.cli import main; main()")
PATIENCE_SECONDS: Final = 60.0
MOST_TABS: Final = 150


class Way(StrEnum):
    """How somebody walks."""

    SCRIPT = "with script"
    NO_SCRIPT = "without script"
    KEYBOARD = "by keyboard alone"


@dataclass(frozen=True)
class Service:
    """A rehearsal that is running: the link that it printed, and where people's answers go."""

    link: str
    sandbox: str
    key: str
    folder: Path

    def answers(self, number: str, words: str) -> None:
        """A person answers."""
        self._post("inbound", number=number, message=words)

    def phone(self, device: int, state: str) -> None:
        """A phone is `off`, `on` again, or `failing`."""
        self._post("phones", device=str(device), state=state)

    def leave_some_out(self) -> None:
        """Of each of the next two requests, the gateway takes one text only, and says so."""
        rule = {"requests": ["send"], "rate": 1, "until_request": 2, "faults": {"rows_skipped": 1}}
        plan = json.dumps({"seed": 1, "rules": [rule], "key": self.key}).encode()
        with urlopen(f"{self.sandbox}/sandbox/faults", plan, 10):
            pass

    def command(self, *words: str) -> None:
        """Somebody types a command in the folder of the service."""
        subprocess.run([*COMMAND, *words], cwd=self.folder, env=environment(), check=True, capture_output=True)

    def _post(self, what: str, **form: str) -> None:
        with urlopen(f"{self.sandbox}/sandbox/{what}", urlencode(form | {"key": self.key}).encode(), 10):
            pass


def environment() -> dict[str, str]:
    """That of the service, and of commands beside it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CAMPAIGNS_")}
    return {**kept, **SETTINGS, "PYTHONPATH": str(Path(__file__).parents[4])}


@contextmanager
def rehearsal(folder: Path) -> Iterator[Service]:
    """`campaigns up --sandbox` in an empty folder, stopped after the block."""
    command = [*COMMAND, "up", "--sandbox"]
    with (folder / "up.txt").open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=out, stderr=subprocess.STDOUT)
    try:
        yield _told(folder / "up.txt", process)
    finally:
        process.terminate()
        process.wait(60)


def _told(log: Path, process: subprocess.Popen[bytes]) -> Service:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        said = log.read_text(encoding="utf-8")
        link = re.search(r"http://\S+/first\?code=\S+", said)
        curl = re.search(r"curl (http://\S+)/sandbox/inbound -d key=(\S+)", said)
        if link and curl and "front_door.opened" in said:
            return Service(link[0], curl[1], curl[2], log.parent)
        time.sleep(0.05)
    raise RuntimeError(log.read_text(encoding="utf-8"))


@dataclass
class Hands:
    """Somebody at a browser. What is clicked, typed and looked for is the same in all three ways."""

    page: Page
    way: Way
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on(
            "console",
            lambda said: self.complaints.append(f"{self.page.url}: {said.text}") if said.type != "log" else None,
        )
        self.page.on("pageerror", lambda error: self.complaints.append(f"{self.page.url}: {error}"))

    def follow(self, name: str, *, within: str = "body") -> None:
        """A link."""
        self._use(self.page.locator(within).get_by_role("link", name=name, exact=True).first, "Enter")

    def press(self, name: str, *, within: str = "body") -> None:
        """A button."""
        self._use(self.page.locator(within).get_by_role("button", name=name, exact=True).first, "Space")

    def fill(self, label: str, text: str) -> None:
        """A field."""
        named = self.page.get_by_role("textbox", name=label, exact=True)
        place = named.or_(self.page.get_by_label(label, exact=True)).first  # a field of a password has no role
        if self.way is not Way.KEYBOARD:
            place.fill(text)
            return
        self._tab_to(place)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)

    def choose(self, label: str, option: str) -> None:
        """One of a list."""
        place = self.page.get_by_role("combobox", name=label, exact=True).first
        if self.way is not Way.KEYBOARD:
            place.select_option(option)
            return
        self._tab_to(place)
        self.page.keyboard.press("Home")
        while place.input_value() != option:
            before = place.input_value()
            self.page.keyboard.press("ArrowDown")
            assert place.input_value() != before, f"there is no {option}"

    def bring(self, *files: Path) -> None:
        """Files: dropped onto the page where that has script, or chosen."""
        place = self.page.locator("input[type=file]")
        if self.way is Way.SCRIPT:
            self._drop(files)
        elif self.way is Way.NO_SCRIPT:
            place.set_input_files(files)
        else:
            self._tab_to(place)
            with self.page.expect_file_chooser() as chooser:
                self.page.keyboard.press("Space")
            chooser.value.set_files(files)
        assert place.evaluate("input => input.files.length") == len(files)

    def sees(self, *words: str) -> None:
        """What a person looks for is on the page: at once, or a little later where it changes by itself."""
        for each in words:
            self.until(lambda each=each: each in self.text(), each)  # type: ignore[misc]  # mypy infers no type for a default

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Look until it is so. Without script, that means to load the page again."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < end, f"{what!r} was not seen at {self.page.url}:\n{self.text()}"
            self.page.wait_for_timeout(200)
            if self.way is Way.NO_SCRIPT:
                self.page.reload()

    def text(self) -> str:
        """All words of the page, each space a single one."""
        return " ".join(self.page.locator("main").inner_text().split())

    def heading(self, words: str) -> None:
        """The page is this one."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(words)

    def figure(self, name: str) -> int:
        """The number of people in a state, of a campaign; 0: the page does not name it."""
        found = re.search(rf"(?<![\w,])([\d,]+) {re.escape(name)}\b", self.text())
        return int(found[1].replace(",", "")) if found else 0

    def _use(self, place: Locator, key: str) -> None:
        if self.way is Way.KEYBOARD:
            self._tab_to(place)
            self.page.keyboard.press(key)
            self.page.wait_for_load_state()
        else:
            place.click()

    def _tab_to(self, place: Locator) -> None:
        place.wait_for(state="attached")
        for _ in range(MOST_TABS):
            if place.evaluate("it => it === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not lead to {place}")

    def _drop(self, files: tuple[Path, ...]) -> None:
        """Drag files from outside the browser onto the page, as the system reports it to the browser."""
        box = self.page.locator("[data-drop]").bounding_box()
        assert box is not None
        self.page.locator("[data-drop]").scroll_into_view_if_needed()
        box = self.page.locator("[data-drop]").bounding_box() or box
        devtools = self.page.context.new_cdp_session(self.page)
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(each) for each in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            devtools.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
        devtools.detach()


def hands(browser: Browser, way: Way, **more: object) -> Hands:
    """Somebody at a window of their own."""
    context = browser.new_context(java_script_enabled=way is not Way.NO_SCRIPT, timezone_id="Europe/Rome", **more)  # type: ignore[arg-type]  # whatever a walk sets
    return Hands(context.new_page(), way)
