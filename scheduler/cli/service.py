"""What the commands that serve begin with."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.settings import Settings


def service_settings(as_json: bool) -> "Settings":
    """The settings of a service, whose log is set up; `as_json`: in JSON whatever they say."""
    from worker.logs import configure_logs
    from worker.settings import load_settings

    settings = load_settings()
    configure_logs("json" if as_json else settings.log_format)
    return settings
