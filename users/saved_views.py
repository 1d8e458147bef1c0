"""How people arrange the user table: views that are kept and shared, columns and density. The only
writer of both.

A view is nobody's secret and nobody's power: what it asks for is judged anew for whoever opens it.
What colleagues are shown stands in the audit log; a view of one's own is nobody else's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext as _

from audit import record
from coai_admin.console.statements import statement
from users import roles
from users.models import Preferences, SavedView, User
from users.view_models import Density

MOST = 30
LONGEST_NAME = 60
_RESTORABLE = 3_600  # seconds
_SALT = "users.saved_views"
_EDIT_SHARED = "users.edit_shared_view"


class ViewRefused(Exception):
    """A view cannot be kept so; the text says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a view keeps of the table."""

    query: str
    columns: Sequence[str]
    density: str = Density.COMFORTABLE.value


def visible_to(viewer: User) -> list[SavedView]:
    """One's own views in one's own order, then those shared with one's role; one statement."""
    found = _visible_to(viewer.pk, [viewer.role])
    return sorted(found, key=lambda view: view.owner_id != viewer.pk)


@statement
def _visible_to(user_id: Any, role: Any) -> QuerySet[SavedView]:
    found = SavedView.objects.filter(Q(owner=user_id) | Q(shared_with__contains=role))
    return found.select_related("owner").order_by("position", "pk")


def preferences_of(viewer: User) -> Preferences:
    """How somebody likes the table; the usual where they never said. No statement for who is signed
    in: their preferences come with them."""
    liked: Preferences | None = getattr(viewer, "preferences", None)
    return liked or Preferences(user=viewer)


def arrange(owner: User, *, columns: Sequence[str], density: str) -> None:
    """Keep which columns somebody wants, and how dense. Shortcuts stay as they are."""
    chosen = {"columns": list(columns), "density": density}
    Preferences.objects.update_or_create(user=owner, defaults=chosen)


def may_share_with(owner: User) -> list[roles.Role]:
    """The roles that somebody can share views with: none that ranks above their own."""
    return [role for role in roles.ROLES if roles.rank(role) <= owner.rank]


@transaction.atomic
def keep(
    owner: User, name: str, picture: Picture, *, shared_with: Sequence[str], now: datetime
) -> SavedView:
    """Keep a view under a name that its owner has not used yet. Raises ViewRefused."""
    own = SavedView.objects.filter(owner=owner)
    if own.count() >= MOST:
        raise ViewRefused(_("You have %(most)s views. Delete one first.") % {"most": MOST})
    last = own.aggregate(last=Max("position"))["last"]
    view = SavedView(
        owner=owner,
        name=name,
        query=picture.query,
        columns=list(picture.columns),
        density=picture.density,
        shared_with=_allowed(owner, shared_with),
        position=0 if last is None else last + 1,
        created_at=now,
        changed_at=now,
    )
    _save(view)
    _account(view, {}, _shown_to_others(view), now=now)
    return view


@transaction.atomic
def change(view: SavedView, *, name: str, shared_with: Sequence[str], now: datetime) -> None:
    """Call a view otherwise, or share it with others. Raises ViewRefused."""
    before = _shown_to_others(view)
    view.name, view.changed_at = name, now
    view.shared_with = _allowed(view.owner, shared_with)
    _save(view)
    _account(view, before, _shown_to_others(view), now=now)


@transaction.atomic
def redraw(view: SavedView, picture: Picture, *, now: datetime) -> None:
    """Let a view keep what is on screen now."""
    before = _shown_to_others(view)
    view.query, view.density = picture.query, picture.density
    view.columns, view.changed_at = list(picture.columns), now
    _save(view)
    _account(view, before, _shown_to_others(view), now=now)


@transaction.atomic
def move(view: SavedView, by: int) -> None:
    """Move a view up (-1) or down (1) among its owner's; at the edge nothing happens."""
    own = list(
        SavedView.objects.select_for_update().filter(owner=view.owner_id).order_by("position", "pk")
    )
    at = [one.pk for one in own].index(view.pk)
    to = min(max(at + by, 0), len(own) - 1)
    own.insert(to, own.pop(at))
    for position, one in enumerate(own):
        one.position = position
    SavedView.objects.bulk_update(own, ["position"])


@transaction.atomic
def delete(view: SavedView, *, now: datetime) -> str:
    """Delete a view; the token brings it back within the hour (``restore``)."""
    token = signing.dumps(
        {
            "owner": view.owner_id,
            "name": view.name,
            "query": view.query,
            "columns": view.columns,
            "density": view.density,
            "shared_with": view.shared_with,
        },
        salt=_SALT,
        compress=True,
    )
    _account(view, _shown_to_others(view), {}, now=now)
    view.delete()
    return token


def restore(token: str, *, owner: User, now: datetime) -> SavedView:
    """Bring back the view that was deleted. Raises ViewRefused for what is not one's own or too
    long ago."""
    try:
        kept: dict[str, Any] = signing.loads(token, salt=_SALT, max_age=_RESTORABLE)
    except signing.BadSignature:
        raise ViewRefused(_("This view can no longer be brought back.")) from None
    if kept["owner"] != owner.pk:
        raise ViewRefused(_("This view was not yours."))
    picture = Picture(kept["query"], kept["columns"], kept["density"])
    return keep(owner, kept["name"], picture, shared_with=kept["shared_with"], now=now)


def _allowed(owner: User, wanted: Sequence[str]) -> list[str]:
    allowed = {role.value for role in may_share_with(owner)}
    if not set(wanted) <= allowed:
        raise ViewRefused(_("A view cannot be shared with a role that ranks above yours."))
    return sorted(set(wanted))


def _shown_to_others(view: SavedView) -> dict[str, Any]:
    """What others than its owner have of a view: nothing, while it is not shared."""
    names = ("name", "shared_with", "query", "columns") if view.shared_with else ()
    return {name: getattr(view, name) for name in names}


def _account(
    view: SavedView, before: Mapping[str, Any], after: Mapping[str, Any], *, now: datetime
) -> None:
    """An entry of what changed for others. What a view asks may name people, so it is kept apart
    as personal data are."""
    changes = {
        name: [before.get(name), after.get(name)]
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
    if not changes:
        return
    personal = {name: changes.pop(name) for name in ("query",) if name in changes}
    target = ("view", view.pk, view.name)
    record.entry(
        _EDIT_SHARED, actor=view.owner, now=now, target=target, changes=changes, personal=personal
    )


def _save(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        if "savedview_name_unique" not in str(error):
            raise
        sentence = _("You have a view called “%(name)s” already.")
        raise ViewRefused(sentence % {"name": view.name}) from None
