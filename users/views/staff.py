"""The staff, what the roles may do, and “may Ana suspend ivan?”."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from audit.registry import operations as registered
from coai_admin.console.filters import BadParameter
from users import roles
from users.access import permission
from users.evaluator import Answer, evaluate
from users.models import User
from users.requests import StaffRequest
from users.restrictions.operations import SHORT_SUSPENSION
from users.roles import ROLES, Role, Row
from users.staff import colleagues

_MOST_TARGETS = 20


def _known_only(parameters: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = next((name for name in parameters if name not in set(known)), None)
    if unknown is not None:
        raise BadParameter(_("There is no filter named “%(name)s”.") % {"name": unknown[:40]})


@permission("users.inspect_staff")
@require_safe
def staff(request: StaffRequest) -> HttpResponse:
    """Everybody with a role."""
    _known_only(request.GET, ["role"])
    role = request.GET.get("role", "")
    if role and role not in ROLES:
        raise BadParameter(_("There is no role named “%(name)s”.") % {"name": role[:40]})
    context = {
        "people": colleagues.colleagues(request.user, time_now(), role=role),
        "tabs": _role_tabs(role),
        "may_audit": request.user.may("audit.inspect"),
    }
    return render(request, "users/staff.html", context)


def _role_tabs(current: str) -> list[dict[str, Any]]:
    numbers = colleagues.numbers()
    everybody = {
        "label": _("All"),
        "url": reverse("staff"),
        "current": not current,
        "count": sum(numbers.values()),
    }
    return [
        everybody,
        *(
            {
                "label": role.label,
                "url": f"?role={role.value}",
                "current": role == current,
                "count": numbers.get(role.value, 0),
            }
            for role in ROLES
        ),
    ]


# The matrix


class Meaning(NamedTuple):
    """How a role holds a permission, for people: a mark, a word, and what that means."""

    kind: str
    word: str | Promise
    text: str | Promise


MEANINGS: dict[str, Meaning] = {
    "✔": Meaning("good", gettext_lazy("yes"), gettext_lazy("May do it.")),
    "S": Meaning(
        "wait",
        gettext_lazy("confirms"),
        gettext_lazy(
            "May do it after confirming that it is them, with the password and a code of the "
            "second factor. That holds for ten minutes."
        ),
    ),
    "2": Meaning(
        "wait",
        gettext_lazy("two people"),
        gettext_lazy(
            "Asks for it, and a second person who may do it approves it within 24 hours. Pages of "
            "settings ask only to confirm."
        ),
    ),
    "c": Meaning(
        "info",
        gettext_lazy("limited"),
        gettext_lazy("May do it within the limits of the role, below."),
    ),
    "M": Meaning(
        "info",
        gettext_lazy("masked"),
        gettext_lazy("Sees it with email and IP addresses masked."),
    ),
    "O": Meaning("info", gettext_lazy("own"), gettext_lazy("Only what they did or made.")),
    "–": Meaning("none", gettext_lazy("no"), gettext_lazy("May not; an attempt is refused.")),
}


class Cell(NamedTuple):
    """One role in one row: the meanings of its marks, and a sentence of all of them."""

    meanings: tuple[Meaning, ...]
    sentence: str
    own: bool


AREAS: dict[str, str | Promise] = {
    "View": gettext_lazy("See"),
    "Account": gettext_lazy("Accounts"),
    "Access": gettext_lazy("Restrictions"),
    "Admin": gettext_lazy("Staff"),
    "Credits": gettext_lazy("Credits"),
    "Subscription": gettext_lazy("Tiers and subscriptions"),
    "Many": gettext_lazy("Many at once"),
    "Exports": gettext_lazy("Exports"),
    "Privacy": gettext_lazy("Privacy"),
    "Support": gettext_lazy("Support"),
    "Settings": gettext_lazy("Settings"),
    "Own": gettext_lazy("One's own account"),
}


@permission("users.browse")
@require_safe
def matrix(request: StaffRequest) -> HttpResponse:
    """What each role may do, filtered by a word."""
    _known_only(request.GET, ["q"])
    word = request.GET.get("q", "").strip()[:100]
    areas: list[dict[str, Any]] = [
        {"label": AREAS.get(area, area), "rows": rows}
        for area, all_rows in roles.MATRIX.items()
        if (rows := [_row(row, request.user) for row in all_rows if _matches(row, area, word)])
    ]
    context = {
        "areas": areas,
        "number": sum(len(area["rows"]) for area in areas),
        "word": word,
        "roles": [{"role": role, "own": role == request.user.role} for role in ROLES],
        "legend": list(MEANINGS.values()),
        "limits": _limits(),
        "may_ask": request.user.may("users.inspect_staff"),
    }
    return render(request, "users/roles.html", context)


def _matches(row: Row, area: str, word: str) -> bool:
    text = f"{row.code} {row.label} {AREAS.get(area, area)}"
    return word.casefold() in text.casefold()


def _row(row: Row, viewer: User) -> dict[str, Any]:
    return {
        "code": row.code,
        "label": row.label,
        "cells": [_cell(roles.grant(role, row.code), own=role == viewer.role) for role in ROLES],
        "act": row.code in registered(),
    }


def _cell(grant: str, *, own: bool) -> Cell:
    meanings = tuple(MEANINGS[mark] for mark in grant)
    return Cell(meanings, " ".join(str(meaning.text) for meaning in meanings), own)


def _limits() -> list[dict[str, Any]]:
    """The limits of each role that has any, as sentences."""
    found = []
    for role, limits in roles.CREDIT_LIMITS.items():
        sentences = [
            _("at most %(act)s credits an act and %(day)s a day")
            % {"act": f"{limits.per_act:,}", "day": f"{limits.per_day:,}"}
        ]
        if limits.approvable:
            sentences.append(_("more with a second person's approval"))
        if limits.acts_per_day is not None:
            sentences.append(_("at most %(n)s such acts a day") % {"n": limits.acts_per_day})
        if limits.per_user_a_month is not None:
            most = {"n": f"{limits.per_user_a_month:,}"}
            sentences.append(_("at most %(n)s for one user in 30 days") % most)
        if not limits.may_take:
            sentences.append(_("adds credits, takes none"))
        if role == Role.SUPPORT:
            sentences.append(_("suspends for at most %(n)s days") % {"n": SHORT_SUSPENSION.days})
        found.append({"role": role, "sentences": sentences})
    return found


# May Ana suspend ivan?


class QuestionForm(forms.Form):
    """Who wants to do what to whom."""

    actor = forms.CharField(
        label=gettext_lazy("Who"),
        max_length=100,
        widget=forms.TextInput(attrs={"list": "colleagues", "autocomplete": "off"}),
        help_text=gettext_lazy("Username or id."),
    )
    act = forms.ChoiceField(label=gettext_lazy("wants to"))
    users = forms.CharField(
        label=gettext_lazy("these users"),
        max_length=2_000,
        help_text=gettext_lazy("Usernames or ids, separated by commas."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["act"].choices = [  # type: ignore[attr-defined]
            (code, operation.label) for code, operation in registered().items()
        ]

    def clean_actor(self) -> User:
        return _named(self.cleaned_data["actor"])

    def clean_users(self) -> list[User]:
        typed = self.cleaned_data["users"].split(",")
        names = list(dict.fromkeys(filter(None, (name.strip() for name in typed))))
        if not names:
            raise forms.ValidationError(_("Name at least one user."))
        if len(names) > _MOST_TARGETS:
            raise forms.ValidationError(
                _("At most %(n)d users at once; name fewer.") % {"n": _MOST_TARGETS}
            )
        return list({user.pk: user for user in map(_named, names)}.values())


def _named(text: str) -> User:
    user = User.objects.meant_by(text.strip())
    if user is None:
        raise forms.ValidationError(_("There is no user “%(name)s”.") % {"name": text[:60]})
    return user


@permission("users.inspect_staff")
@require_safe
def may(request: StaffRequest) -> HttpResponse:
    """Whether somebody may do something, and which rule decides. The address holds the question, so
    that it can be shared."""
    _known_only(request.GET, ["actor", "act", "users"])
    asked = bool(request.GET)
    form = QuestionForm(request.GET if asked else None)
    answers: list[Answer] = []
    context: dict[str, Any] = {"form": form, "colleagues": _names(), "asked": asked}
    if asked and form.is_valid():
        question = form.cleaned_data
        operation = registered()[question["act"]]
        answers = evaluate(question["actor"], operation, question["users"], now=time_now())
        row = roles.ROWS[operation.code]
        context |= {
            "actor": question["actor"],
            "operation": operation,
            "answers": answers,
            "row": row,
            "cell": _cell(roles.grant(question["actor"].role, operation.code), own=False),
        }
    return render(request, "users/may.html", context, status=422 if form.errors else 200)


def _names() -> list[str]:
    people = User.objects.staff().filter(closed_at__isnull=True).order_by("username", "pk")
    return list(people.values_list("username", flat=True)[: colleagues.MOST])
