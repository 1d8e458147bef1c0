"""What a view of the API says of itself for the document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiParameter

from coai_admin.console.listing import Listing
from users.api.schemas import Schema

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="With the same one, the same request is carried out once. Required for money.",
    required=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doc:
    """``name`` is its operationId; ``answer`` the schema of 200; ``listing`` brings its
    parameters."""

    name: str
    tag: str
    summary: str
    answer: Schema
    text: str = ""
    body: Schema | None = None
    parameters: tuple[OpenApiParameter, ...] = ()
    listing: Listing[Any] | None = None
