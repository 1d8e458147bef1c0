"""The OpenAPI document of the API, made by drf-spectacular from the views themselves: each says in
its ``doc`` what cannot be read off it. The operations share two addresses; the document shows every
operation as an address of its own, with its form as the schema of the body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

import yaml
from django.utils.timezone import now as time_now
from django.utils.translation import override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from audit.operations import Operation
from audit.registry import operations
from coai_admin.console.listing import Listing
from users.api import bodies
from users.api.docs import Doc
from users.api.schemas import COMPONENTS, Schema, named

PATH = "docs/api.yaml"
_PROBLEMS = {
    400: "The request is wrong; `errors` says where.",
    401: "No key, or one that does not work; nobody is signed in.",
    403: "The caller may not do this (`code` says why).",
    404: "There is nothing here, or nothing that the caller may know of.",
    405: "Another method is needed: see Allow.",
    406: "Only application/json can be had.",
    409: "A rule of the platform stands against it, or the Idempotency-Key was used otherwise.",
    413: "The body is larger than 2 MB.",
    415: "Only application/json is taken.",
    429: "Too many requests: wait as long as Retry-After says.",
    503: "The database does not answer: wait as long as Retry-After says.",
}
_ALWAYS = (400, 401, 403, 404, 405, 406, 429, 503)
_WITH_BODY = (409, 413, 415)


class ApiSchema(AutoSchema):
    """Reads the ``doc`` of a view."""

    @property
    def doc(self) -> Doc:
        """What the view says of itself."""
        found: Doc = self.view.doc  # type: ignore[attr-defined]
        return found

    def get_operation_id(self) -> str:
        return self.doc.name

    def get_summary(self) -> str:
        return self.doc.summary

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular calls it
        return self.doc.text

    def get_tags(self) -> list[str]:
        return [self.doc.tag]

    def get_override_parameters(self) -> list[Any]:
        listing = self.doc.listing
        return list(self.doc.parameters) + (list(_of_listing(listing)) if listing else [])

    def get_filter_backends(self) -> list[Any]:
        return []

    def get_request_serializer(self) -> Any:
        return {"application/json": self.doc.body} if self.doc.body else None

    def get_response_serializers(self) -> Any:
        statuses = _ALWAYS + (_WITH_BODY if self.method == "POST" else ())
        problems = {(status, "application/problem+json"): named("Problem") for status in statuses}
        return {(200, "application/json"): self.doc.answer, **problems}


class Keys(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How a service key is shown."""

    target_class = "users.api.authentication.ServiceKeys"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        return {"type": "http", "scheme": "bearer", "description": "A service key: `csk_…`."}


class Sessions(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How somebody who is signed in is known."""

    target_class = "users.api.authentication.StaffSessions"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> Schema:
        text = "Staff who are signed in; with X-CSRFToken where something is changed."
        return {"type": "apiKey", "in": "cookie", "name": "coai_session", "description": text}


def _of_listing(listing: Listing[Any]) -> Iterator[OpenApiParameter]:
    for name, each in listing.filters.base_filters.items():
        schema = bodies.described(each.field)
        text = " ".join(filter(None, [schema.pop("title"), schema.pop("description", "")]))
        schema.pop("minLength", None)
        yield OpenApiParameter(name, schema, description=text, explode=True)
    sorts = [column.name for column in listing.columns if column.sort is not None]
    both = [f"{sign}{name}" for name in sorts for sign in ("", "-")]
    yield OpenApiParameter("sort", {"type": "string", "enum": both, "default": listing.default})
    place = "A place in the list, from `next` or `previous`."
    yield OpenApiParameter("after", {"type": "string"}, description=place)
    yield OpenApiParameter(
        "before", {"type": "string"}, description=f"{place} `end`: the last page."
    )
    count = "Count all, not only up to 10,000."
    yield OpenApiParameter("count", {"type": "string", "enum": ["exact"]}, description=count)


def finish(result: Schema, generator: Any, request: Any, public: bool) -> Schema:  # noqa: FBT001 (called by drf-spectacular)
    """What the generator cannot know: the components, the sentences of problems, the operations."""
    result["components"]["schemas"] = COMPONENTS | result["components"].get("schemas", {})
    paths: Schema = {}
    for path, item in result["paths"].items():
        if "{code}" in path:
            paths |= dict(_operations(path, item))
        else:
            paths[path] = item
    result["paths"] = paths
    for item in paths.values():
        for action in item.values():
            action["responses"] = {
                status: _problem(int(status)) if int(status) in _PROBLEMS else answer
                for status, answer in action["responses"].items()
            }
            action["responses"]["200"]["description"] = "Done."
    result["components"]["responses"] = {
        f"Problem{status}": _answer(status) for status in _PROBLEMS
    }
    return result


def _problem(status: int) -> Schema:
    return {"$ref": f"#/components/responses/Problem{status}"}


def _answer(status: int) -> Schema:
    answer: Schema = {
        "description": _PROBLEMS[status],
        "content": {"application/problem+json": {"schema": named("Problem")}},
    }
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
    if status == 401:
        answer["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return answer


def _operations(path: str, item: Schema) -> Iterator[tuple[str, Schema]]:
    for code, operation in operations().items():
        inner: Schema = deepcopy(item)
        action = inner["post"]
        action["operationId"] = f"{action['operationId']}_{code.replace('.', '_')}"
        action["summary"] = " ".join(filter(None, [str(operation.label), action.get("summary")]))
        kept = [one for one in action["parameters"] if one["name"] != "code"]
        for parameter in kept:
            if parameter["name"] == "Idempotency-Key" and code.startswith("billing."):
                parameter["required"] = True
        action["parameters"] = kept
        body = _body(operation, previewing=path.endswith("/preview/"))
        content = {"schema": body, "example": example(body)}
        action["requestBody"] = {"required": True, "content": {"application/json": content}}
        yield path.replace("{code}", code), inner


def _body(operation: Operation, *, previewing: bool) -> Schema:
    form = operation.form(now=time_now())
    return deepcopy(bodies.of_operation(operation, form, previewing=previewing))


def example(schema: Mapping[str, Any], name: str = "") -> Any:
    """A body that shows what is meant: what is required, in plausible values."""
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "object":
        wanted = schema.get("required", ())
        return {one: example(schema["properties"][one], one) for one in wanted}
    plain = {"array": [], "integer": schema.get("minimum", 1), "boolean": True}
    return plain.get(schema["type"], "12.5" if "pattern" in schema else "…")


_EXAMPLES: dict[str, Any] = {
    "users": [42],
    "seen": {"42": 7},
    "reason": "Goodwill after the outage of 3 May",
    "reason_code": "spam",
    "email": "ana@example.org",
    "username": "ana",
}


@cache
def document() -> Schema:
    """The document, in English: it is made once."""
    with override("en"):
        made: Schema = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return made


def as_yaml() -> str:
    """The document as it stands in ``PATH``."""
    written: str = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120)
    return written
