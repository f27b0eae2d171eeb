"""What all mappings of the campaign file have in common."""

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """A mapping of the campaign file: unchangeable, and without any key that is not named in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _forget_empty_keys(cls, value: object) -> object:
        """A known key with nothing after the colon counts as not given; an unknown one stays an error."""
        if not isinstance(value, dict):
            return value
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {key: item for key, item in value.items() if item is not None or key not in known}
