"""The rows of the user table in a template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.utils.safestring import SafeString

from coai_admin.console.listing import Reading
from users.table import cells
from users.table.rows import UserRow

register = template.Library()


@register.simple_tag
def user_rows(
    rows: Sequence[UserRow],
    reading: Reading[UserRow],
    picking: cells.Picked | None,
    more: Mapping[str, Mapping[int, Any]],
) -> SafeString:
    """These users as rows, with the columns that are shown. ``more``: what these fetched."""
    columns = [column.name for column, _sight in reading.shown]
    return cells.draw(
        rows, columns, picking, cells.sheet(reading.now, reading.parameters.urlencode(), more)
    )
