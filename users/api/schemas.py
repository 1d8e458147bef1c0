"""What the API's answers look like, as JSON schemas for its document."""

from __future__ import annotations

from typing import Any

from audit.models import Receipt
from coai_admin.console.columns import Column, Kind
from coai_admin.console.fields import BIGGEST
from coai_admin.console.listing import Listing

Schema = dict[str, Any]

MOMENT: Schema = {"type": "string", "format": "date-time"}
AMOUNT: Schema = {
    "type": "string",
    "pattern": r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$",
    "description": "An exact decimal in plain digits.",
}
ID: Schema = {"type": "integer", "minimum": 1, "maximum": BIGGEST}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
TRUTH: Schema = {"type": "boolean"}
OPERATION_ID: Schema = {"type": "string", "format": "uuid"}
OUTCOME: Schema = {"type": "string", "enum": [one.name.lower() for one in Receipt.Outcome]}


def named(name: str) -> Schema:
    """A reference to one of ``COMPONENTS``."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def thing(properties: Schema, *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def listed(items: Schema) -> Schema:
    """A list of such."""
    return {"type": "array", "items": items}


_KINDS = {Kind.MONEY: AMOUNT, Kind.DATE: MOMENT, Kind.NUMBER: {"type": "integer"}}


def row_of(listing: Listing[Any], more: Schema | None = None) -> Schema:
    """A row of a listing: every column; those that some readers do not see may be missing."""
    columns = [column for column in listing.columns if column.read is not None]
    properties = {column.name: _of_column(column) for column in columns} | (more or {})
    always = [column.name for column in columns if column.name in ("id", "username")]
    return {
        "type": "object",
        "properties": properties,
        "required": always,
        "additionalProperties": False,
    }


def _of_column(column: Column) -> Schema:
    schema = or_null(_KINDS.get(column.kind, TEXT))
    return {**schema, "title": str(column.label)}


COUNT = thing({"number": NUMBER, "more": TRUTH})
LINK: Schema = {"type": ["string", "null"], "description": "An address on this site."}


def page_of(items: Schema, *, counted: bool = True) -> Schema:
    """A page of a list, with the way to its neighbours."""
    properties: Schema = {"results": listed(items)}
    if counted:
        properties |= {"count": named("Count"), "previous": LINK}
    return thing(properties | {"next": LINK})


_PERSON = thing({"id": or_null(ID), "name": TEXT})
RESTRICTION = thing(
    {
        "kind": TEXT,
        "reason": TEXT,
        "public_text": TEXT,
        "starts_at": MOMENT,
        "ends_at": or_null(MOMENT),
        "lifted_at": or_null(MOMENT),
        "holds": TRUTH,
    }
)
RECEIPT = thing(
    {
        "user": ID,
        "name": TEXT,
        "outcome": OUTCOME,
        "before": {"type": "object"},
        "after": {"type": "object"},
        "refusal": or_null(TEXT),
        "version": or_null(NUMBER),
    }
)
COMPONENTS: dict[str, Schema] = {
    "Count": COUNT
    | {"description": "How many there are; with ``more`` there are more than ``number``."},
    "Problem": thing(
        {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "Stable: for programs."},
            "detail": {"type": "string", "description": "The sentence for people."},
            "reference": {"type": "string", "description": "Stands in the log."},
            "errors": listed(
                {
                    "type": "object",
                    "properties": {
                        "pointer": {"type": "string", "description": "Into the body (RFC 6901)."},
                        "parameter": TEXT,
                        "header": TEXT,
                        "detail": TEXT,
                    },
                    "required": ["detail"],
                }
            ),
        },
        optional=("detail", "errors"),
    ),
    "Outcome": thing(
        {
            "operation_id": or_null(OPERATION_ID),
            "changed": NUMBER,
            "unchanged": NUMBER,
            "refused": NUMBER,
            "receipts": listed(RECEIPT),
        }
    )
    | {"description": "What was done, or would be. Nothing changed: no ``operation_id``."},
    "StoredReceipt": thing(
        {"user": ID, "name": TEXT, "outcome": OUTCOME, "refusal": or_null(TEXT)}
    ),
    "Act": thing(
        {
            "operation_id": OPERATION_ID,
            "code": TEXT,
            "actor": _PERSON,
            "reason": TEXT,
            "ticket": TEXT,
            "at": MOMENT,
            "changed": NUMBER,
            "unchanged": NUMBER,
            "refused": NUMBER,
            "undoes": or_null(OPERATION_ID),
            "undone_by": or_null(OPERATION_ID),
        }
    ),
    "Entry": thing(
        {
            "id": ID,
            "at": MOMENT,
            "action": TEXT,
            "actor": _PERSON,
            "acting_for": or_null(ID),
            "target": thing({"type": TEXT, "id": or_null(ID), "name": TEXT}),
            "changes": listed(thing({"field": TEXT, "before": {}, "after": {}})),
            "reason": TEXT,
            "ticket": TEXT,
            "ip": TEXT,
            "request_id": TEXT,
            "operation_id": or_null(OPERATION_ID),
            "undoes": TRUTH,
        }
    ),
    "Operation": thing(
        {
            "code": TEXT,
            "label": TEXT,
            "many": TRUTH,
            "step_up": TRUTH,
            "undo": TRUTH,
            "idempotency_key_required": TRUTH,
            "body": {"type": "object", "description": "The schema of its body."},
        }
    ),
}
