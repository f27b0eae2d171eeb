"""The OpenAPI document: made from the routes, checked in, and served as it is checked in."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from scheduler.actions.shapes.seen import Happening
from scheduler.web.api.guard import scope_of
from scheduler.web.api.problems import SCHEMA

PLACE: Final = Path(__file__).with_name("openapi.json")


def place_of(shape: type) -> dict[str, str]:
    """Return a reference to what an object looks like."""
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


def complete(made: dict[str, Any], routes: Iterable[APIRoute]) -> dict[str, Any]:
    """Return FastAPI's document with what problems and events look like, and with the scope of each call."""
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= {"Problem": SCHEMA, Happening.__name__: TypeAdapter(Happening).json_schema()}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for route in routes:
        for method in route.methods or ():
            made["paths"][route.path][method.lower()]["security"] = [{"token": [scope_of(route).value]}]
    return made


def as_text(made: dict[str, Any]) -> str:
    """Return the document as it is checked in."""
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
