"""The JSON Schema of the campaign file, for editors that complete keys and mark mistakes."""

from typing import Any

from campaigns.definition.models import Definition


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12). It accepts a number where a text is meant, because editors parse YAML so."""
    schema = Definition.model_json_schema()
    texts = {"oneOf": [{"required": ["message"]}, {"required": ["variants"]}]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, **texts, "title": "SMS campaign"}
