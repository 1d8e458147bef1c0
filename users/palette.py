"""What the command palette finds for its reader: acts, users, saved views and pages. Users are
found by the search of the user table and shown as it shows them; nobody finds what they may not
open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from audit import operations
from audit.operations import Operation
from audit.registry import operations as registered
from coai_admin.console.filters import BadParameter
from users.models import User
from users.saved_views import visible_to
from users.status import Status
from users.table import USERS
from users.table.rows import UserRow

MOST_USERS = 8
MOST = 6
_LOOKED_AT = 200  # of those who match: the nearest by name are chosen from them
_ACTED_ON = 3
_WORDS = 6


class Found(NamedTuple):
    """Something to go to. ``more`` stands beside its label, smaller."""

    label: str
    url: str
    icon: str
    more: str = ""


class Group(NamedTuple):
    """What was found of one kind."""

    label: str
    found: Sequence[Found]


def find(
    text: str,
    *,
    viewer: User,
    now: datetime,
    pages: Iterable[Mapping[str, Any]],
    about: int | None = None,
) -> list[Group]:
    """What matches the text, the most likely first; without a text the pages and views. ``pages``:
    the places that the navigation offers this person; ``about``: the user whose page is open."""
    groups = [
        Group(_("Acts"), _acts(text, viewer, now, about)[:MOST]),
        Group(_("Users"), [_user(row) for row in _users(text, viewer, now, MOST_USERS)]),
        Group(_("Saved views"), _views(text, viewer)),
        Group(_("Pages"), _pages(text, pages)),
    ]
    return [group for group in groups if group.found]


def _users(text: str, viewer: User, now: datetime, most: int) -> list[UserRow]:
    """The users whom the table finds, those with exactly this name or id first."""
    if not text:
        return []
    try:
        reading = USERS.read(QueryDict(urlencode({"q": text})), viewer=viewer, now=now)
    except BadParameter:  # half a query is no user
        return []
    near = dict(reading.rows.order_by().values_list("pk", "username")[:_LOOKED_AT])
    near |= dict(User.objects.named(text).values_list("pk", "username"))
    wanted = text.casefold()

    def distance(pk: int) -> tuple[bool, bool, str]:
        name = near[pk].casefold()
        return wanted not in (name, str(pk)), not name.startswith(wanted), name

    ids = sorted(near, key=distance)[:most]
    rows = {row.pk: row for row in USERS.facts(ids, viewer, now)} if ids else {}
    return [rows[pk] for pk in ids if pk in rows]


def _user(row: UserRow) -> Found:
    state = "" if row.status == Status.ACTIVE else str(row.status.label)
    more = " · ".join(filter(None, (f"#{row.pk}", row.email, state)))
    return Found(row.username, reverse("user", args=[row.pk]), "user", more)


def _acts(text: str, viewer: User, now: datetime, about: int | None) -> list[Found]:
    """What may be done now: to the user whose page it is, or to those whom "ana suspend" names."""
    allowed = [each for each in registered().values() if viewer.may(each.code)]
    if about is not None:
        here = _to([about], [each for each in allowed if _named(each, text.split())], viewer, now)
        if here:
            return here
    for name, words in _splits(text):
        named = [each for each in allowed if _named(each, words)]
        people = _users(name, viewer, now, _ACTED_ON) if named else []
        found = _to([row.pk for row in people], named, viewer, now)
        if found:
            return found
    return []


def _splits(text: str) -> Iterator[tuple[str, list[str]]]:
    """A name and the words of an act, in either order: "ana suspend", "adjust credits ana"."""
    words = text.split()[:_WORDS]
    for place in range(len(words) - 1, 0, -1):
        yield " ".join(words[:place]), words[place:]
        yield " ".join(words[place:]), words[:place]


def _named(operation: Operation, words: Sequence[str]) -> bool:
    """Whether each word begins one of the act's."""
    own = f"{operation.label} {operation.code.replace('.', ' ').replace('_', ' ')}"
    parts = own.casefold().split()
    return all(any(part.startswith(word.casefold()) for part in parts) for word in words)


def _to(ids: list[int], named: list[Operation], viewer: User, now: datetime) -> list[Found]:
    """These acts, on those of these users on whom they are possible."""
    if not ids or not named:
        return []
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
    menus = operations.menus(named, ids, actor=viewer, now=now)
    return [
        Found(
            f"{item.operation.label}: {names[pk]}",
            reverse("operate:one", args=[pk, item.operation.code]),
            item.operation.icon,
            f"#{pk}",
        )
        for pk in ids
        for item in menus.get(pk, ())
        if not item.refusal
    ]


def _views(text: str, viewer: User) -> list[Found]:
    """The reader's own views, and those that are shared with their role. Opening one judges what
    it asks; its address would tell that to readers who may not ask it."""
    wanted = text.casefold()
    named = [view for view in visible_to(viewer) if wanted in view.name.casefold()]
    return [
        Found(view.name, reverse("views:open", args=[view.pk]), "bookmark") for view in named[:MOST]
    ]


def _pages(text: str, pages: Iterable[Mapping[str, Any]]) -> list[Found]:
    wanted = text.casefold()
    found = [Found(str(page["label"]), page["url"], page["icon"]) for page in pages]
    return [page for page in found if wanted in page.label.casefold()]
