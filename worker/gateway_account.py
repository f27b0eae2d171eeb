"""The gateway's account: its key, and the name by which the database knows it."""

from hashlib import sha256
from typing import Final

from pydantic import SecretStr

from worker.settings.settings import Settings, SettingsError

SANDBOX_ACCOUNT: Final = "sandbox"


def gateway_key(settings: Settings, *, url: str) -> SecretStr:
    """Return the API key. Raises `SettingsError` if the address or the key is missing."""
    if not url:
        raise SettingsError(
            "no gateway is set: set CAMPAIGNS_GATEWAY_URL and CAMPAIGNS_API_KEY (environment or .env); "
            "without one, `campaigns run FILE --sandbox` rehearses"
        )
    key = settings.key()
    if not key.get_secret_value():
        raise SettingsError(
            "no API key is set: set CAMPAIGNS_API_KEY, or CAMPAIGNS_API_KEY_FILE to a file that holds it"
        )
    return key


def account_fingerprint(url: str) -> str:
    """Return what identifies a gateway's account: its address, so that a new API key is the same account."""
    return sha256(url.rstrip("/").encode()).hexdigest()[:16]
