"""The machine's Chromium, which tests of the desk look through."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Browser, sync_playwright

NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGE: Final = "chromium-headless-shell"


def found() -> str:
    """The path of a Chromium, installed from Debian's packages where that may be done. Raises `RuntimeError`."""
    if place := next(filter(None, map(shutil.which, NAMES)), None):
        return place
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        for words in (["update"], ["install", "--yes", "--no-install-recommends", PACKAGE]):
            subprocess.run([apt, "--quiet", *words], check=False, capture_output=True, timeout=300)
        if place := shutil.which(PACKAGE):
            return place
    raise RuntimeError(f"the tests of the desk need Chromium: install it with apt-get install {PACKAGE}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed after the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
