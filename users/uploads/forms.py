"""The forms of an import: the file, and what its columns hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.people import Actor
from users.models import Upload
from users.uploads.fields import (
    BOTH,
    CREATE,
    CREATING,
    EMAIL,
    FIELDS,
    ID,
    UPDATE,
    USERNAME,
    guessed,
    offered,
)
from users.uploads.values import COMMA, POINT

_COLUMN = "column_"
_WITH_COMMA = re.compile(r"[0-9]{1,3}(\.?[0-9]{3})*,[0-9]+", re.ASCII)


class FileForm(forms.Form):
    """The file."""

    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "CSV or Excel (.xlsx), up to 100,000 rows and 20 MB. Its first row has headings."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx"}),
        error_messages={
            "empty": _("The file is empty."),
            "required": _("Choose a file."),
            "missing": _("Choose a file."),
        },
    )


class MappingForm(forms.Form):
    """What each column of a file holds, how its people are found, and what is to be done."""

    match = forms.ChoiceField(
        label=_("People are found by"),
        choices=[(USERNAME, _("Username")), (ID, _("ID")), (EMAIL, _("Email"))],
        widget=forms.RadioSelect,
        help_text=_("Upper and lower case make no difference."),
    )
    mode = forms.ChoiceField(
        label=_("The import shall"),
        choices=[
            (BOTH, _("create who is not there, and change who is")),
            (CREATE, _("only create")),
            (UPDATE, _("only change")),
        ],
        widget=forms.RadioSelect,
        initial=BOTH,
        help_text=_("Other rows are refused, and listed. Empty cells leave things as they are."),
    )
    decimal = forms.ChoiceField(
        label=_("Numbers are written"),
        choices=[(POINT, "1,234.5"), (COMMA, "1.234,5")],
        initial=POINT,
        help_text=_("Only where they are text; numbers of Excel are known."),
    )

    def __init__(self, data: Any = None, *, upload: Upload, actor: Actor) -> None:
        super().__init__(data, initial=_initial(upload, actor))
        self.upload = upload
        choices = [
            ("", gettext("leave out")),
            *((each.name, each.label) for each in offered(actor)),
        ]
        for place, heading in enumerate(upload.headings):
            self.fields[f"{_COLUMN}{place}"] = forms.ChoiceField(
                label=heading or gettext("Column %(n)s") % {"n": place + 1},
                choices=choices,
                required=False,
            )
        if not actor.may(CREATING):
            self.fields["mode"].choices = [(UPDATE, gettext("only change"))]  # type: ignore[attr-defined]

    @property
    def of_columns(self) -> list[BoundField]:
        """The field of each column of the file, in order."""
        return [self[name] for name in self.fields if name.startswith(_COLUMN)]

    @property
    def columns(self) -> dict[str, int]:
        """Which column (by place) holds which of our fields."""
        held: dict[str, int] = {}
        for name, field in self.cleaned_data.items():
            if name.startswith(_COLUMN) and field:
                held.setdefault(field, int(name.removeprefix(_COLUMN)))
        return held

    @property
    def options(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("match", "mode", "decimal")}

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        self._refuse_twice(cleaned)
        if self.errors:
            return cleaned
        held, match, mode = self.columns, cleaned["match"], cleaned["mode"]
        if match not in held:
            self._name_column(FIELDS[match].label, gettext("people are found by it"))
        if mode != UPDATE and match != USERNAME and USERNAME not in held:
            self._name_column(FIELDS[USERNAME].label, gettext("new people need one"))
        if mode == UPDATE and not set(held) - {USERNAME, ID, EMAIL}:
            self.add_error(None, gettext("No column holds anything to change."))
        return cleaned

    def _name_column(self, label: Any, why: str) -> None:
        words = {"field": label, "why": why}
        self.add_error(None, gettext("Say which column is “%(field)s”: %(why)s.") % words)

    def _refuse_twice(self, cleaned: Mapping[str, Any]) -> None:
        seen: set[str] = set()
        for name, field in list(cleaned.items()):
            if not name.startswith(_COLUMN) or not field:
                continue
            if field in seen:
                self.add_error(name, gettext("Another column is this already."))
            seen.add(field)


def _initial(upload: Upload, actor: Actor) -> dict[str, Any]:
    """What was chosen before, or what the headings tell."""
    columns = upload.columns or guessed(upload.headings, actor)
    options = upload.options or {
        "match": next((key for key in (ID, USERNAME, EMAIL) if key in columns), USERNAME),
        "mode": BOTH,
        "decimal": _decimal(upload, columns),
    }
    return {**options, **{f"{_COLUMN}{place}": field for field, place in columns.items()}}


def _decimal(upload: Upload, columns: Mapping[str, int]) -> str:
    """How the amounts of the first rows are written."""
    place = columns.get("credits", -1) + 1  # the first of a row is its number
    texts = [row[place] for row in upload.sample if 0 < place < len(row)]
    commas = any(isinstance(text, str) and _WITH_COMMA.fullmatch(text) for text in texts)
    return COMMA if commas and upload.manner.get("delimiter") != "," else POINT
