"""From the cells of a row to what it says of whom. Pure: whom it means is asked later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from users.profile.names import look
from users.uploads.fields import EMAIL, FIELDS, ID, USERNAME
from users.uploads.reader.cells import Cell
from users.uploads.values import Manner, Unfit

_LONGEST_NAME = 100


class Parsed(NamedTuple):
    """A row: its number in the file, what it calls its user, that name as it looks, its values by
    field, and the sentence by which it is refused, if it is."""

    number: int
    name: str
    look: str
    values: dict[str, Any]
    problem: str = ""
    kind: str = ""


def parse(
    number: int, cells: Sequence[Cell], columns: Mapping[str, int], width: int, how: Manner
) -> Parsed:
    """Read a row. ``columns``: the place of each field's column; ``width``: how many columns have
    headings. Empty cells say nothing: what they are about stays as it is."""
    values: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    if len(cells) > width:
        problems.append(
            (
                _("The row has %(cells)s cells, the headings only %(width)s.")
                % {"cells": len(cells), "width": width},
                _("More cells than headings."),
            )
        )
    for name, place in columns.items():
        cell = cells[place] if place < len(cells) else ""
        if isinstance(cell, str) and not cell.strip():
            continue
        try:
            values[name] = FIELDS[name].read(cell, how)
        except Unfit as unfit:
            label = str(FIELDS[name].label)
            problems.append((f"{label}: {unfit}", f"{label}: {unfit.kind}"))
    called = str(values.get(USERNAME) or values.get(EMAIL) or values.get(ID) or "")
    problem = " ".join(sentence for sentence, _kind in problems)
    kind = problems[0][1] if problems else ""
    return Parsed(number, called[:_LONGEST_NAME], look(called), values, problem, kind)
