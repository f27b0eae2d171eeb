"""Names that look like settings and are not: a misspelt rule of the operator has no effect, and nobody would know."""

from typing import Final

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from campaigns.values.scalars import nearest, shown
from worker.settings.files import PREFIX, trusted_env_file
from worker.settings.settings import Settings

MOST_TOLD: Final = 5
"""The most names in one message; an environment that another program shares may have hundreds."""


def unknown_settings() -> str:
    """Return which names in the environment or `.env` are not settings, in one sentence without their values; or ''.

    This is not an error: another program may use the same prefix. Raises `SettingsError`.
    """
    known = sorted(PREFIX + name.upper() for name in Settings.model_fields)
    with trusted_env_file() as env_file:
        # The same sources that the settings are read from, so that both agree on what a name is.
        sources = (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings, env_file=env_file))
        names = {name.upper() for source in sources for name in source.env_vars}
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    if not unknown:
        return ""
    told = [_with_hint(name, known) for name in unknown[:MOST_TOLD]]
    more = f", and {len(unknown) - MOST_TOLD:,} more" if len(unknown) > MOST_TOLD else ""
    return f"not a setting, and ignored: {', '.join(told)}{more}"


def _with_hint(name: str, known: list[str]) -> str:
    # Without the prefix, which makes all names look alike.
    near = nearest(name.removeprefix(PREFIX), [setting.removeprefix(PREFIX) for setting in known])
    name = shown(name)[1:-1]
    return f"{name} (did you mean {PREFIX}{near}?)" if near else name
