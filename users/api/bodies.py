"""The JSON that operations take: a schema made from the form, and the judgement of a body by it.

A form reads text, as a page sends it; JSON has types. So a body is judged twice: its types and
names here, before anything is read from it, and its values by the form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from audit.forms import OperationForm
from audit.operations import MOST_AT_ONCE, Operation
from coai_admin.console.fields import BIGGEST
from users.api.problems import mistake

Schema = dict[str, Any]

LONGEST_REASON = 500

USERS: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": BIGGEST},
    "minItems": 1,
    "maxItems": MOST_AT_ONCE,
    "uniqueItems": True,
    "description": "Whom it is done to: their ids.",
}
SEEN: Schema = {
    "type": "object",
    "additionalProperties": {"type": "integer", "minimum": 0, "maximum": BIGGEST},
    "description": "The versions that a preview showed, by id: who changed since, or is not named, "
    "is refused.",
}


def of_operation(operation: Operation, form: OperationForm, *, previewing: bool = False) -> Schema:
    """The schema of a body: the users, the form's fields, and the versions seen, which nobody has
    yet while ``previewing``."""
    properties: Schema = {"users": USERS if operation.many else USERS | {"maxItems": 1}}
    for name, field in form.fields.items():
        properties[name] = described(field)
    if operation.procedure.version is not None:
        properties["seen"] = SEEN
    required = [name for name, field in form.fields.items() if field.required]
    seen = ["seen"] if operation.needs_seen and not previewing else []
    return _object(properties, ["users", *required, *seen])


def undo() -> Schema:
    """The schema of the body that undoes an act."""
    reason = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}
    return _object({"reason": reason}, ["reason"])


def _object(properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def described(field: forms.Field) -> Schema:
    """The schema of what a form's field takes, with the words that stand beside it."""
    schema = next(make(field) for kind, make in _FIELDS if isinstance(field, kind))
    if schema["type"] == "string" and field.required and "enum" not in schema:
        schema.setdefault("minLength", 1)
    words = [str(field.help_text), _spans(field)]
    description = " ".join(filter(None, words))
    return {
        **schema,
        "title": str(field.label or ""),
        **({"description": description} if description else {}),
    }


def _spans(field: forms.Field) -> str:
    """What a field of ends takes besides a moment."""
    names = [str(value) for value, _label in getattr(field.widget, "choices", ())]
    if isinstance(field, forms.ChoiceField) or not names:
        return ""
    return _("A moment (ISO 8601), or one of: %(names)s.") % {"names": ", ".join(names)}


def _text(field: Any) -> Schema:
    length = getattr(field, "max_length", None)
    return {"type": "string", **({"maxLength": length} if length else {})}


def _whole(field: Any) -> Schema:
    bounds = {"minimum": field.min_value, "maximum": field.max_value}
    return {"type": "integer", **{name: at for name, at in bounds.items() if at is not None}}


def _choice(field: Any) -> Schema:
    if isinstance(field, forms.TypedChoiceField) and field.coerce is int:
        return {"type": "integer", "enum": [int(value) for value, _label in _values(field)]}
    return {"type": "string", "enum": [str(value) for value, _label in _values(field)]}


def _values(field: Any) -> list[tuple[Any, Any]]:
    flat: list[tuple[Any, Any]] = []
    for value, label in field.choices:
        flat += label if isinstance(label, list | tuple) else [(value, label)]
    return [one for one in flat if one[0] not in ("", None)]


def _many(field: Any) -> Schema:
    items = {"type": "string"} if isinstance(field, forms.ModelChoiceField) else _choice(field)
    return {"type": "array", "items": items, **({"minItems": 1} if field.required else {})}


# The first that fits: a subclass stands before its base.
_FIELDS: tuple[tuple[type[forms.Field], Callable[[Any], Schema]], ...] = (
    (forms.ModelMultipleChoiceField, _many),
    (forms.MultipleChoiceField, _many),
    (forms.ModelChoiceField, lambda field: {"type": "string"}),
    (forms.ChoiceField, _choice),
    (
        forms.DecimalField,
        lambda field: {"type": "string", "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"},
    ),
    (forms.IntegerField, _whole),
    (forms.NullBooleanField, lambda field: {"type": "boolean"}),
    (forms.BooleanField, lambda field: {"type": "boolean"}),
    (forms.DateTimeField, lambda field: {"type": "string"}),
    (forms.DateField, lambda field: {"type": "string", "format": "date"}),
    (forms.Field, _text),
)

_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "object": (dict, "an object"),
    "array": (list, "a list"),
    "string": (str, "a text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
}


def mistakes(schema: Schema, value: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    """What is wrong with the shape of a body: types, names, numbers of things."""
    kind, words = _TYPES[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        yield mistake(pointer, _("This must be %(words)s.") % {"words": words})
    elif isinstance(value, dict):
        yield from _of_an_object(schema, value, pointer)
    elif isinstance(value, list):
        yield from _of_a_list(schema, value, pointer)
    elif isinstance(value, int) and not _within(schema, value):
        yield mistake(pointer, _("This number is out of range."))


def _within(schema: Schema, value: int) -> bool:
    return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))


def _of_an_object(
    schema: Schema, value: Mapping[str, Any], pointer: str
) -> Iterator[dict[str, str]]:
    known: Mapping[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield mistake(f"{pointer}/{name}", _("This is required."))
    others = schema.get("additionalProperties", True)
    for name, inner in value.items():
        place = f"{pointer}/{name[:100].replace('~', '~0').replace('/', '~1')}"
        if name in known:
            yield from mistakes(known[name], inner, place)
        elif not others:
            yield mistake(place, _("“%(name)s” is no field of this body.") % {"name": name[:100]})
        elif not re.fullmatch(r"[1-9][0-9]{0,18}", name, re.ASCII):
            yield mistake(place, _("“%(name)s” is not an ID.") % {"name": name[:40]})
        else:
            yield from mistakes(others, inner, place)


def _of_a_list(schema: Schema, value: list[Any], pointer: str) -> Iterator[dict[str, str]]:
    if len(value) < schema.get("minItems", 0):
        yield mistake(pointer, _("This must not be empty."))
    if len(value) > schema.get("maxItems", len(value)):
        yield mistake(pointer, _("At most %(n)s.") % {"n": schema["maxItems"]})
        return
    found = [one for inner in value for one in mistakes(schema["items"], inner, pointer)]
    yield from found[:1]
    if not found and schema.get("uniqueItems") and len(set(value)) < len(value):
        yield mistake(pointer, _("Each may stand here once."))
