"""The settings that commands begin with, and what they say of names that are not settings."""

from typing import TYPE_CHECKING

from scheduler.cli.rendering.output import warn

if TYPE_CHECKING:
    from worker.settings.settings import Settings


def sending_settings() -> "Settings":
    """The settings of a command that plans or sends, which says what is misspelt. Raises `SettingsError`."""
    from worker.settings.settings import load_settings
    from worker.settings.unknown import unknown_settings

    settings = load_settings()
    if unknown := unknown_settings():
        warn(f"warning: {unknown}")
    return settings


def service_settings(as_json: bool) -> "Settings":
    """The settings of a service, whose log is set up; `as_json`: in JSON whatever they say. Raises `SettingsError`."""
    from worker.logs import configure_logs, get_logger
    from worker.settings.settings import load_settings
    from worker.settings.unknown import unknown_settings

    settings = load_settings()
    configure_logs("json" if as_json else settings.log_format)
    if unknown := unknown_settings():
        get_logger().warning("settings.unknown", problem=unknown)
    return settings
