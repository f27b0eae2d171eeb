"""The problems that the models found, in plain words and with their place in the file."""

import typing
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from pydantic import BaseModel, RootModel
from pydantic_core import ErrorDetails

from campaigns.definition.document import Document, KeyPath
from campaigns.definition.models import Definition
from campaigns.definition.part import Part
from campaigns.definition.steps import Step
from campaigns.problems import MOST_PROBLEMS, Problem
from campaigns.values.scalars import REFUSED, nearest

# Type of a pydantic error -> the sentence after the key. Single values never get here: they have their own words.
SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    "model_type": ("must be a mapping of keys and values", "put its keys on the lines below, indented"),
    "dict_type": ("must be a mapping of keys and values", "put its keys on the lines below, indented"),
    "tuple_type": ("must be a list", "put each entry on a line that starts with a hyphen"),
}
# Keys for which people write a single word, and how to write them.
MAPPINGS: Final[Mapping[str, str]] = {
    "audience": "{file: customers.csv}",
    "exclude": "{file: already-bought.csv}",
    "recipients": '{number: "+39 333 123 4567"}',
    "schedule": "{start: 2026-12-01 09:00}",
    "window": '{from: "09:00", to: "20:00"}',
    "if_late": "{within: 2h, otherwise: skip}",
    "repeat": '{cron: "0 9 * * mon"}',
    "remind": "{column: appointment_at, before: 24h}",
    "throughput": "{rate: 30/minute}",
    "budget": "{total: 500 EUR, daily: 40 EUR}",
    "frequency_cap": "{messages: 2, per: 7d}",
    "devices": "{use: [1]}",
    "follow": "{until: 72h}",
    "retry_failed": "{times: 1, after: 30m}",
    "steps": '{name: nudge, after: 3d, unless: replied, message: "..."}',
    "report": '{webhook: "https://example.com/hook"}',
}
NOT_VALID: Final = ("cannot be understood", "compare it with the example that `campaigns init` writes")


def problem_of(error: ErrorDetails, document: Document) -> tuple[KeyPath, Problem | None]:
    """Return the path in the file that `error` is about, and the problem to show.

    The problem is None for a missing key that the same mapping contains misspelt: one mistake is reported once.
    """
    path, model = _path_and_model(error["loc"], document)
    kind = error["type"]
    if kind == "missing":
        if _is_misspelt(path, model, document):
            return path, None
        given = path in document.key_positions
        problem = "has no value" if given else "is missing"
        return path, document.key_place(path).problem(path, problem, _example(model, str(path[-1])))
    if kind == "extra_forbidden":
        return path, document.key_place(path).problem(path, "is not a known key", _suggestion(path, model))
    if kind == REFUSED:
        context = error.get("ctx", {})
        path = (*path, *context.get("below", ()))
        return path, document.value_place(path).problem(path, context["problem"], context["hint"])
    problem, hint = SENTENCES.get(kind, NOT_VALID)
    keys = [step for step in path if isinstance(step, str)]
    if kind in ("model_type", "dict_type") and keys and keys[-1] in MAPPINGS:
        hint = f"such as {MAPPINGS[keys[-1]]}"
    return path, document.value_place(path).problem(path, problem, hint)


def _path_and_model(location: tuple[int | str, ...], document: Document) -> tuple[KeyPath, type[BaseModel]]:
    """Return Pydantic's location as a path in the file, and the model whose key it ends in.

    The location also names the kind of an audience source by its class, and numbers a single entry that the file
    writes without a list. Neither is in the file.
    """
    path: KeyPath = ()
    model: type[BaseModel] = Definition
    inside: dict[str, type[BaseModel]] = {}
    for step in location:
        if isinstance(step, str) and step in inside:
            model = inside[step]
            continue
        if isinstance(step, int):
            if isinstance(document.value(path), list):
                path = (*path, step)
            continue
        if len(inside) == 1:
            model = next(iter(inside.values()))
        step = _key(model, step)
        path = (*path, step)
        inside = {found.__name__: found for found in _models_in(_fields(model).get(step))}
    return path, model


def _key(model: type[BaseModel], step: str) -> str:
    """Return a key as the file writes it. If a validator misses one, pydantic gives the Python name."""
    field = model.model_fields.get(step)
    return field.alias if field and field.alias else step


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Return the keys of a mapping in the file -> the types of their values."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _models_in(annotation.model_fields["root"].annotation)
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _example(model: type[BaseModel], key: str) -> str:
    for name, field in model.model_fields.items():
        if key in (name, field.alias) and field.examples and isinstance(field.examples[0], str):
            return f"for example {key}: {field.examples[0]}"
    return "write it"


def _suggestion(path: KeyPath, model: type[BaseModel]) -> str:
    key, known = str(path[-1]), list(_fields(model))
    near = nearest(key, known)
    if near:
        return f"did you mean {near}?"
    for parent, annotation in _fields(Definition).items():
        for inner in _models_in(annotation):
            if key in _fields(inner) and inner is not model:
                if model is Step:
                    return f"a step has none of its own, it goes by the campaign's {parent}"
                return f"it belongs under {parent}"
    return f"known here: {', '.join(known)}"


def _is_misspelt(path: KeyPath, model: type[BaseModel], document: Document) -> bool:
    """Return whether a missing key is there under a misspelt name."""
    siblings, known = document.value(path[:-1]), list(_fields(model))
    if not isinstance(siblings, dict):
        return False
    return any(nearest(key, known) == path[-1] for key in islice(siblings, MOST_PROBLEMS) if key not in known)
