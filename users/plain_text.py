"""Names without accents and in capitals, as people type them who look for somebody: "jose" is José.
The function stands in PostgreSQL (users/migrations/0009), because an index holds what it says."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Func, IntegerField, Q, TextField
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan


def plain_text(text: Any) -> Func:
    """A text without accents and in capitals. It costs as much as some forty comparisons: ask
    ``beyond_ascii`` before it."""
    return Func(text, function="users_plain_text", output_field=TextField())


def beyond_ascii(field: str) -> Q:
    """The rows whose text has other letters than ASCII's. Of all others ``Upper`` says the same as
    ``plain_text``."""
    octets = Func(F(field), function="octet_length", output_field=IntegerField())
    return Q(GreaterThan(octets, Length(field)))
