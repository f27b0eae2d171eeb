"""The base of all mappings in the campaign file."""

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """A mapping in the campaign file. It is immutable and forbids unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _forget_empty_keys(cls, value: object) -> object:
        """Treat a known key with nothing after the colon as not given; an unknown one stays an error."""
        if not isinstance(value, dict):
            return value
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: item for key, item in value.items() if item is not None or key not in known}
