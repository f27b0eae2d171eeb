"""Whose certificates are trusted, and why one was refused."""

import ssl
from pathlib import Path

import httpx

from worker.settings.settings import SettingsError


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Return the context for servers with a certificate from the usual authorities, or from those in a PEM file.

    The usual ones come with the program, not from the machine: the same servers are trusted everywhere. Raises
    `SettingsError` for a file that cannot be used.
    """
    context = httpx.create_ssl_context(trust_env=False)
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError:
            problem = "which contains no certificate in PEM (-----BEGIN CERTIFICATE-----)"
        except OSError as error:
            problem = f"which cannot be read ({error.strerror})"
        else:
            return context
        raise SettingsError(f"CAMPAIGNS_CA_FILE names {ca_file}, {problem}; correct it or leave it out")
    return context


def certificate_problem(error: BaseException | None) -> str:
    """Return why a server's certificate was refused, from the exception that it caused; empty: it was not refused."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message.rstrip(".")
        error = error.__cause__ or error.__context__  # httpcore's pool raises it `from None`
    return ""


def is_for_another_name(problem: str) -> bool:
    """Return whether the certificate is good but another server's: the address is wrong, no authority is missing."""
    return "mismatch" in problem
