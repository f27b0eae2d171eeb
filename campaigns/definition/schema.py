"""The JSON Schema of the campaign file, for editors that complete and check while somebody types."""

from typing import Any

from campaigns.definition.models import Definition


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). It accepts what editors make of YAML: a number where a text is meant."""
    schema = Definition.model_json_schema()
    texts = {"oneOf": [{"required": ["message"]}, {"required": ["variants"]}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **texts, "title": "SMS campaign"}
