"""Forms of the operations on people's accounts: names, tags, notes."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import Any

from django import forms
from django.urls import reverse_lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from users.profile.names import LONGEST, why_not_a_name

MOST_TAGS = 20
_LONGEST_TAG = 40


class UsernameField(forms.CharField):
    """A username that may be given to somebody; whether it is free is not asked here."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            max_length=LONGEST,
            widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            **kwargs,
        )

    def validate(self, value: str) -> None:
        super().validate(value)
        if value and (why := why_not_a_name(value)):
            raise forms.ValidationError(why)


class RenameForm(OperationForm):
    """Parameters of ``users.rename``."""

    username = UsernameField(
        label=_("New username"),
        help_text=_("They sign in by it from now on; the old one is free for others."),
    )


_TAGS_BEGUN = format_lazy("{}?tag=", reverse_lazy("users:complete"))


class TagsField(forms.Field):
    """Tags, separated by commas; a program may send a list. Cleans to a list without repetitions,
    whatever the case. ``new``: whether they may be made by it."""

    widget = forms.TextInput(attrs={"autocomplete": "off", "data-completes": _TAGS_BEGUN})

    def __init__(self, *, new: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Files of users have semicolons between tags, so new ones contain none.
        self._without = {",", '"', ";"} if new else {",", '"'}

    def clean(self, value: Any) -> list[str]:
        parts = value if isinstance(value, list | tuple) else str(value or "").split(",")
        names = [" ".join(str(part).split()) for part in parts]
        for name in names:
            _check_tag(name, self._without)
        found = list({name.casefold(): name for name in names if name}.values())
        if len(found) > MOST_TAGS:
            raise forms.ValidationError(gettext("At most %(n)d tags at once.") % {"n": MOST_TAGS})
        return found


def _check_tag(name: str, without: Collection[str]) -> None:
    if len(name) > _LONGEST_TAG:
        raise forms.ValidationError(
            gettext("“%(name)s…” is too long: a tag has at most %(n)d characters.")
            % {"name": name[:20], "n": _LONGEST_TAG}
        )
    hidden = any(unicodedata.category(letter).startswith("C") for letter in name)
    if hidden or any(sign in name for sign in without):
        raise forms.ValidationError(
            gettext(
                "A tag contains no commas, no semicolons, no quotation marks and nothing that "
                "nobody can see."
            )
        )


class TagForm(OperationForm):
    """Parameters of ``users.tag``."""

    add = TagsField(
        label=_("Put on"),
        required=False,
        help_text=_("Separated by commas. A tag that nobody used before is made."),
    )
    remove = TagsField(
        new=False, label=_("Take off"), required=False, help_text=_("Separated by commas.")
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "add" not in cleaned or "remove" not in cleaned:
            return cleaned
        if not cleaned["add"] and not cleaned["remove"]:
            self.add_error("add", gettext("Name a tag to put on, or one to take off."))
        elif both := _shared(cleaned["add"], cleaned["remove"]):
            self.add_error(
                "remove", gettext("“%(name)s” is to be put on and taken off.") % {"name": both}
            )
        return cleaned


def _shared(one: Sequence[str], other: Sequence[str]) -> str:
    names = {name.casefold() for name in one}
    return next((name for name in other if name.casefold() in names), "")


class NoteForm(OperationForm):
    """Parameters of ``users.add_note``. A note says itself why it is written."""

    text = forms.CharField(
        label=_("Note"),
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("Colleagues see it on the user's page. The user never does."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False
