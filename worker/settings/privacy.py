"""The key of the hashes that stand for people who were erased: read when it is needed, made once by a command."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from secrets import token_hex

from campaigns.phone_numbers.pseudonyms import SHORTEST_KEY
from worker.settings.files import SettingsError, named, read_secret
from worker.settings.settings import Settings

SETTING = "privacy_key"


def privacy_key(settings: Settings) -> Callable[[], bytes] | None:
    """Return what reads the key, once; None if the settings name no file. It raises `SettingsError`."""
    file = settings.privacy_key_file
    return None if file is None else cache(partial(_read, file))


def _read(file: Path) -> bytes:
    key = read_secret(file, SETTING)
    if len(key) < SHORTEST_KEY:
        raise SettingsError(
            f"the key in {named(file)} (CAMPAIGNS_PRIVACY_KEY_FILE) has {len(key)} characters, of {SHORTEST_KEY}; "
            "make one with: campaigns erase --make-key"
        )
    return key.encode()


def make_key(settings: Settings) -> Path:
    """Make the file with a new key, which only its owner can read; return its path. Raises `SettingsError`."""
    file = settings.privacy_key_file
    if file is None:
        raise SettingsError(
            "set CAMPAIGNS_PRIVACY_KEY_FILE to where the key is to be, such as /etc/campaigns/privacy.key"
        )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SettingsError(
            f"{named(file)} exists already; a key is made once, and kept as long as the database"
        ) from None
    except OSError as error:
        raise SettingsError(f"{named(file)} cannot be made ({error.strerror}); make its folder first") from None
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(token_hex(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):
            file.unlink()
        raise
    return file
