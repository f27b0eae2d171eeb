"""The files that settings come from: `.env` in the working directory, and mounted secrets."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "CAMPAIGNS_"

ENV_FILE: Final = Path(".env")
MINE: Final = "read it and, if it is right, make it yours alone: chown $(id -un) .env && chmod 600 .env"

MOST_BYTES: Final = 65_536
"""More than settings and keys ever take."""

LONGEST_PATH: Final = 255
"""The most characters of a file's path that a message repeats."""


class SettingsError(Exception):
    """A setting is missing or unusable. The message says which one and what to do."""


_BLANKS: Final = "\u115f\u1160\u2800\u3164\uffa0"
"""Characters that show nothing, though their categories are letters and symbols."""


def bare_secret(text: str) -> str:
    """Return a secret without what editors put around it: blanks, and a byte order mark at its start."""
    return text.strip().removeprefix("\ufeff").strip()


def problem_of_secret(text: str) -> str:
    """Return why everybody knows this secret, or ''. After a power cut a file may hold NULs, one for each character."""
    if "\0" in text:
        return "it contains NUL bytes"
    is_visible = any(unicodedata.category(sign)[0] in "LNPS" and sign not in _BLANKS for sign in text)
    return "" if is_visible else "it contains no visible character"


def named(file: Path) -> str:
    """Return a path for a message: one that is longer than any file's is cut, because it is something else."""
    return str(file) if len(str(file)) <= LONGEST_PATH else f"{str(file)[:40]}…"


def read_secret(file: Path, name: str, *, may_be_empty: bool = False) -> str:
    """Return the text of a mounted secret, for the setting `name`. Raises `SettingsError`."""
    setting = PREFIX + name.upper()
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        text = bare_secret(content.decode("utf-8"))
        # A file is empty while it is being rewritten, and stays empty on a full disk: everybody knows that key.
        problem = problem_of_secret(text) if text else "" if may_be_empty else "it is empty"
        if len(content) > MOST_BYTES:
            problem = f"it has more than {MOST_BYTES:,} bytes"
    except OSError as error:
        problem = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        problem = "not UTF-8"
    if problem:
        raise SettingsError(
            f"{setting}_FILE names {named(file)}, which cannot be read ({problem}); "
            f"mount the secret there or set {setting}"
        )
    return text


@contextmanager
def trusted_env_file() -> Iterator[str | None]:
    """Yield `.env` of the working directory, by the descriptor that was checked; None if there is none.

    Its settings name a command to run, and the server that gets the API key: that must not depend on whose folder
    somebody happens to be in. Raises `SettingsError`.
    """
    try:
        descriptor = os.open(ENV_FILE, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise SettingsError(f".env cannot be read ({error.strerror}); check its permissions, or remove it") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            yield None  # a folder of that name, such as a virtual environment
            return
        if problem := foreign(status, os.geteuid()):
            raise SettingsError(f".env of this folder {problem}; go to another folder, or {MINE}")
        if status.st_size > MOST_BYTES:
            raise SettingsError(f".env has more than {MOST_BYTES:,} bytes; this is not a settings file")
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def foreign(status: os.stat_result, user: int) -> str:
    """Return why others may have written a file, instead of this user or the administrator; otherwise ''."""
    if status.st_uid not in {0, user}:
        return "belongs to somebody else"
    return "can be written by others" if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""
