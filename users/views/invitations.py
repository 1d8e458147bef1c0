"""Invitations: which there are, inviting, revoking."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audit.panels import takes_no_parameters
from users.access import confirm_first, permission, will_ask
from users.invitations import inviting
from users.invitations.forms import InviteForm
from users.invitations.inviting import CREATE, GRANT, InvitationRefused
from users.kept_forms import kept_form
from users.models import Invitation
from users.requests import StaffRequest
from users.roles import Role


@permission(CREATE)
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: StaffRequest) -> HttpResponse:
    """The invitations, and the form for another. Inviting to a staff role is granting it: whoever
    does that confirms that it is them."""
    takes_no_parameters(request.GET)
    sent = request.method == "POST"
    form = InviteForm(request.POST if sent else kept_form(request), inviter=request.user)
    if sent and form.is_valid():
        given = form.cleaned_data
        if given["role"] != Role.NONE and (way := confirm_first(request, GRANT)):
            return way
        try:
            inviting.invite(
                given["email"],
                given["role"],
                actor=request.user,
                reason=given["reason"],
                now=time_now(),
            )
        except InvitationRefused as refused:
            form.add_error("email", str(refused))
        else:
            text = _("An invitation goes out to %(email)s.") % {"email": given["email"]}
            messages.success(request, text)
            return redirect("invitations:list")
    context = {
        "form": form,
        "lines": inviting.lines(request.user, time_now()),
        "asks": will_ask(request, GRANT),
    }
    return render(request, "users/invitations.html", context, status=422 if form.errors else 200)


@permission(CREATE)
@require_POST
def revoke(request: StaffRequest, invitation_id: int) -> HttpResponse:
    """Revoke an invitation that nobody accepted yet."""
    get_object_or_404(Invitation, pk=invitation_id)
    try:
        revoked = inviting.revoke(invitation_id, actor=request.user, now=time_now())
    except InvitationRefused as refused:
        messages.error(request, str(refused))
        return redirect("invitations:list")
    if revoked:
        messages.success(request, _("The invitation is revoked; its link opens nothing any more."))
    else:
        messages.info(request, _("There was nothing to revoke: it was accepted, or revoked."))
    return redirect("invitations:list")
