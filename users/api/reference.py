"""The reference of the API as a page of the console, made from the document itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from audit.registry import operations
from users.access import permission
from users.api.document import document
from users.api.schemas import Schema
from users.service_actor import scopes

_PREVIEW = "/preview/"
_CODES = 12


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter, or a field of a body."""

    name: str
    where: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address with its method, and how to call it. ``preview``: the address that only
    previews."""

    name: str
    method: str
    path: str
    summary: str
    text: str
    inputs: tuple[Input, ...]
    curl: str
    keys: bool
    preview: str = ""


@permission("users.browse")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Every address of the API, by subject."""
    subjects: dict[str, list[Endpoint]] = {}
    for path, item in document()["paths"].items():
        for method, action in item.items():
            if not path.endswith(_PREVIEW):
                [tag] = action["tags"]
                subjects.setdefault(tag, []).append(_endpoint(method, path, action))
    context = {
        "subjects": [(_SUBJECTS[tag](), found) for tag, found in subjects.items()],
        "base": f"{settings.SITE_URL}/api/v1/",
        "per_minute": settings.API_REQUESTS_PER_MINUTE,
        "answers": [
            (status, answer["description"])
            for name, answer in document()["components"]["responses"].items()
            for status in [name.removeprefix("Problem")]
        ],
    }
    return render(request, "users/api/reference.html", context)


_SUBJECTS = {
    "Users": lambda: _("Users"),
    "Operations": lambda: _("Operations"),
    "Audit": lambda: _("Audit"),
}


def _endpoint(method: str, path: str, action: Mapping[str, Any]) -> Endpoint:
    content = action.get("requestBody", {}).get("content", {}).get("application/json", {})
    preview = f"{path}preview/"
    parameters = [_parameter(one) for one in action.get("parameters", ())]
    code = path.rstrip("/").rpartition("/")[2]
    return Endpoint(
        name=action["operationId"],
        method=method.upper(),
        path=path,
        summary=action["summary"],
        text=action.get("description", "").replace("`", ""),
        inputs=(*parameters, *_fields(content.get("schema", {}))),
        curl=_curl(method, path, action, content),
        keys=code not in operations() or code in scopes(),
        preview=preview if preview in document()["paths"] else "",
    )


def _parameter(parameter: Mapping[str, Any]) -> Input:
    schema = parameter["schema"]
    return Input(
        parameter["name"],
        _WHERE[parameter["in"]](),
        in_words(schema),
        parameter.get("required", False),
        parameter.get("description", "").replace("`", ""),
    )


_WHERE = {
    "query": lambda: _("query"),
    "path": lambda: _("address"),
    "header": lambda: _("header"),
}


def _fields(schema: Schema) -> Iterator[Input]:
    for name, inner in schema.get("properties", {}).items():
        text = inner.get("description") or inner.get("title", "")
        required = name in schema.get("required", ())
        yield Input(name, _("body"), in_words(inner), required, text)


def in_words(schema: Schema) -> str:
    """What a value may be, shortly: "text, up to 500"."""
    if "enum" in schema:
        names = [str(value) for value in schema["enum"]]
        more = " …" if len(names) > _CODES else ""
        return _("one of %(names)s") % {"names": ", ".join(names[:_CODES])} + more
    if schema["type"] == "array":
        return _("list of: %(words)s") % {"words": in_words(schema["items"])}
    if "pattern" in schema and "maxLength" not in schema:
        return _("exact decimal, as text")
    if schema.get("format"):
        return str(schema["format"])
    words = {
        "string": _("text"),
        "integer": _("whole number"),
        "boolean": _("true or false"),
        "object": _("object"),
    }
    length = schema.get("maxLength")
    limit = ", " + _("up to %(n)s") % {"n": length} if length else ""
    return words[schema["type"]] + limit


def _curl(method: str, path: str, action: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """The call for a shell."""
    lines = [f"curl {settings.SITE_URL}{path.replace('{user_id}', '42')}"]
    lines.append("-H 'Authorization: Bearer csk_…'")
    if method == "post":
        if any(one["name"] == "Idempotency-Key" for one in action["parameters"]):
            lines.append('-H "Idempotency-Key: $(uuidgen)"')
        example = content.get("example", {"reason": "…"})
        lines.append(f"--json '{json.dumps(example, ensure_ascii=False)}'")
    return " \\\n  ".join(lines)
