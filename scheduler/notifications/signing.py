"""Signs calls of webhooks: with headers of our own, and as Standard Webhooks 1.0 has it."""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from worker.settings.settings import SettingsError

BASE64_MARK: Final = "whsec_"
"""A secret that begins so is base64. Libraries for receivers expect one."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The keys of a webhook secret: `own` for our header, `standard` for those of the specification."""

    own: bytes
    standard: Sequence[bytes]


def signing_keys(secret: SecretStr) -> SigningKeys | None:
    """Return the keys; None if there is no secret. While a `whsec_` secret replaces another, both are given, new first.

    Raises `SettingsError`.
    """
    text = secret.get_secret_value()
    if not text.startswith(BASE64_MARK):
        return SigningKeys(text.encode(), [text.encode()]) if text else None
    several = [each for each in re.split(r"[,\s]+", text) if each]
    return SigningKeys(several[0].encode(), [_decoded(each) for each in several])


def _decoded(secret: str) -> bytes:
    encoded = secret.removeprefix(BASE64_MARK)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:  # its message may quote the secret
        key = b""
    if not key or encoded == secret:
        raise SettingsError(
            f"CAMPAIGNS_WEBHOOK_SECRET must be base64 after {BASE64_MARK}; "
            'make one with: echo "whsec_$(openssl rand -base64 32)"'
        )
    return key


def signed_headers(id_: str, content: bytes, timestamp: int, secret: SecretStr) -> dict[str, str]:
    """Return the headers that let a receiver verify a call. `timestamp`: of this try, in seconds since 1970.

    `id_` is the same for every try; it must not contain a dot, because dots separate what is signed.
    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    headers = {"X-Campaigns-Timestamp": str(timestamp), "webhook-id": id_, "webhook-timestamp": str(timestamp)}
    keys = signing_keys(secret)
    if keys is None:
        return headers
    own = hmac.digest(keys.own, f"{timestamp}.".encode() + content, "sha256")
    signed = f"{id_}.{timestamp}.".encode() + content
    standard = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys.standard]
    return headers | {
        "X-Campaigns-Signature": f"sha256={own.hex()}",
        "webhook-signature": " ".join(f"v1,{signature}" for signature in standard),
    }
