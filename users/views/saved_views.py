"""The views of the user table that somebody keeps: opening, saving, sharing, ordering, deleting."""

from __future__ import annotations

import json

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from coai_admin.console.filters import BadParameter
from users import saved_views
from users.access import permission
from users.models import SavedView
from users.requests import StaffRequest
from users.saved_views import ViewRefused
from users.table import USERS
from users.table.views import address_of, count, picture_of, tabs
from users.views.users import BROWSE, arranged


class ViewForm(forms.Form):
    """What a view is called, and which roles see it beside its owner."""

    name = forms.CharField(
        max_length=saved_views.LONGEST_NAME,
        label=gettext_lazy("Name"),
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )
    shared_with = forms.MultipleChoiceField(
        required=False,
        label=gettext_lazy("Shared with"),
        help_text=gettext_lazy(
            "They see the view beside the table. What their role does not see stays hidden."
        ),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: object, request: StaffRequest, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        roles = saved_views.may_share_with(request.user)
        self.fields["shared_with"].choices = [  # type: ignore[attr-defined]
            (role.value, role.label) for role in roles
        ]


@permission(BROWSE)
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """Every view of one's own, to be ordered, changed and deleted; and those of others."""
    views = saved_views.visible_to(request.user)
    context = {
        "mine": [view for view in views if view.owner_id == request.user.pk],
        "shared": [view for view in views if view.owner_id != request.user.pk],
    }
    return render(request, "users/views/list.html", context)


@permission(BROWSE)
@require_safe
def show(request: StaffRequest, view_id: int) -> HttpResponse:
    """Lead to the table as the view keeps it; or say that this role may not ask what it asks. Its
    question is told only to those who may ask it."""
    view = _visible(request, view_id)
    try:
        USERS.read(QueryDict(view.query), viewer=request.user, now=time_now())
    except BadParameter as wrong:
        mine = view.owner_id == request.user.pk
        context = {"view": view, "mine": mine, "reason": str(wrong) if mine else ""}
        return render(request, "users/views/refused.html", context, status=403)
    return redirect(address_of(view))


@permission(BROWSE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Keep what the table shows: the query string is the table's."""
    reading, arrangement = arranged(request, request.GET)
    form = ViewForm(request.POST or None, request=request)
    if request.method == "POST" and form.is_valid():
        picture = picture_of(reading, arrangement.density)
        given = form.cleaned_data
        try:
            view = saved_views.keep(
                request.user,
                given["name"],
                picture,
                shared_with=given["shared_with"],
                now=reading.now,
            )
        except ViewRefused as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, _("View “%(name)s” is kept.") % {"name": view.name})
            return redirect(address_of(view))
    back = f"{reverse('users:list')}?{reading.query}"
    context = {"form": form, "reading": reading, "back": back, "title": _("Save this view")}
    return render(request, "users/views/edit.html", context, status=422 if form.errors else 200)


@permission(BROWSE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, view_id: int) -> HttpResponse:
    """Call a view otherwise, or share it with others."""
    view = _own(request, view_id)
    kept = {"name": view.name, "shared_with": view.shared_with}
    form = ViewForm(request.POST or None, request=request, initial=kept)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            saved_views.change(
                view, name=given["name"], shared_with=given["shared_with"], now=time_now()
            )
        except ViewRefused as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, _("View “%(name)s” is kept.") % {"name": view.name})
            return redirect("views:list")
    context = {"form": form, "back": reverse("views:list"), "title": kept["name"]}
    return render(request, "users/views/edit.html", context, status=422 if form.errors else 200)


@permission(BROWSE)
@require_POST
def redraw(request: StaffRequest, view_id: int) -> HttpResponse:
    """Let the view keep what the table shows now (the query string)."""
    view = _own(request, view_id)
    reading, arrangement = arranged(request, request.GET)
    saved_views.redraw(view, picture_of(reading, arrangement.density), now=reading.now)
    messages.success(request, _("View “%(name)s” is kept.") % {"name": view.name})
    return redirect(address_of(view))


@permission(BROWSE)
@require_POST
def move(request: StaffRequest, view_id: int) -> HttpResponse:
    """Move a view up or down among one's own."""
    by = {"up": -1, "down": 1}.get(request.POST.get("to", ""))
    if by is None:
        raise BadParameter(_("“to” can only be “up” or “down”."))
    saved_views.move(_own(request, view_id), by)
    return redirect("views:list")


@permission(BROWSE)
@require_POST
def delete(request: StaffRequest, view_id: int) -> HttpResponse:
    """Delete a view; the banner can bring it back."""
    view = _own(request, view_id)
    token = saved_views.delete(view, now=time_now())
    banner = {
        "text": _("View “%(name)s” is deleted.") % {"name": view.name},
        "undo": reverse("views:restore", args=[token]),
    }
    messages.success(request, json.dumps(banner), extra_tags="good parts")
    return redirect("views:list")


@permission(BROWSE)
@require_POST
def restore(request: StaffRequest, token: str) -> HttpResponse:
    """Bring back a view that was deleted."""
    try:
        view = saved_views.restore(token, owner=request.user, now=time_now())
    except ViewRefused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("View “%(name)s” is back.") % {"name": view.name})
    return redirect("views:list")


@permission(BROWSE)
@require_safe
def counts(request: StaffRequest) -> HttpResponse:
    """The views beside the table again, with how many each one lists."""
    reading, arrangement = arranged(request, request.GET)
    counts = count(USERS, arrangement, viewer=request.user, now=reading.now)
    context = {"reading": reading, "views": tabs(reading, arrangement, request.user, counts)}
    return render(request, "users/_views.html", context)


def _visible(request: StaffRequest, view_id: int) -> SavedView:
    for view in saved_views.visible_to(request.user):
        if view.pk == view_id:
            return view
    raise Http404


def _own(request: StaffRequest, view_id: int) -> SavedView:
    view = _visible(request, view_id)
    if view.owner_id != request.user.pk:
        raise Http404
    return view
