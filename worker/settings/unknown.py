"""Names that look like settings and are none: a misspelt rule of the operator is no rule, and nobody would know."""

from typing import Final

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from campaigns.values.scalars import nearest, shown
from worker.settings.files import PREFIX, trusted_env_file
from worker.settings.settings import Settings

MOST_TOLD: Final = 5
"""Names in one sentence; an environment that another program shares may have hundreds."""


def unknown_settings() -> str:
    """Which names in the environment or `.env` are no settings, in one sentence without their values; else ''.

    They are no error: another program may have the same prefix. Raises `SettingsError`.
    """
    known = sorted(PREFIX + name.upper() for name in Settings.model_fields)
    with trusted_env_file() as env_file:
        # The sources that the settings are read from: what is a name for one is a name for the other.
        sources = (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings, env_file=env_file))
        names = {name.upper() for source in sources for name in source.env_vars}
    unknown = sorted(name for name in names if name.startswith(PREFIX) and name not in known)
    if not unknown:
        return ""
    told = [_with_hint(name, known) for name in unknown[:MOST_TOLD]]
    more = f", and {len(unknown) - MOST_TOLD:,} more" if len(unknown) > MOST_TOLD else ""
    return f"not a setting, and ignored: {', '.join(told)}{more}"


def _with_hint(name: str, known: list[str]) -> str:
    # Without the prefix, which makes every name look like every other.
    near = nearest(name.removeprefix(PREFIX), [setting.removeprefix(PREFIX) for setting in known])
    name = shown(name)[1:-1]
    return f"{name} (did you mean {PREFIX}{near}?)" if near else name
