"""The settings that commands begin with, and warnings about names that are not settings."""

from typing import TYPE_CHECKING

from scheduler.cli.rendering.output import warn

if TYPE_CHECKING:
    from worker.settings.settings import Settings


def sending_settings() -> "Settings":
    """Return the settings of a command that plans or sends; warn about misspelt names. Raises `SettingsError`."""
    from worker.settings.settings import load_settings
    from worker.settings.unknown import unknown_settings

    settings = load_settings()
    if unknown := unknown_settings():
        warn(f"warning: {unknown}")
    return settings


def service_settings(as_json: bool) -> "Settings":
    """Return the settings of a service, and set up its log; `as_json`: always in JSON. Raises `SettingsError`."""
    from worker.logs import configure_logs, get_logger
    from worker.settings.settings import load_settings
    from worker.settings.unknown import unknown_settings

    settings = load_settings()
    configure_logs("json" if as_json else settings.log_format)
    if unknown := unknown_settings():
        get_logger().warning("settings.unknown", problem=unknown)
    return settings
