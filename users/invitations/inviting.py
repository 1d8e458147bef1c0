"""Inviting people: a link, good once and for 72 hours, by which somebody makes an account, with at
most the role it names. The only module that writes invitations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Lower
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import record
from users import mail, tokens
from users.email import addresses
from users.mail import Letter
from users.models import Invitation, Restriction, User
from users.passwords.checking import set_password
from users.roles import ROLES, Role, rank
from users.services import create_user

LIVES = timedelta(hours=72)
CREATE, GRANT = "users.create", "users.grant_role"
_PURPOSE = "invitation"
_SHOWN = 200


class InvitationRefused(Exception):
    """Somebody cannot be invited, or cannot join; the text says why."""


class Life(models.TextChoices):
    """Where an invitation stands."""

    WAITING = "waiting", gettext_lazy("not sent yet")
    SENT = "sent", gettext_lazy("sent")
    OPENED = "opened", gettext_lazy("opened")
    ACCEPTED = "accepted", gettext_lazy("accepted")
    REVOKED = "revoked", gettext_lazy("revoked")
    EXPIRED = "expired", gettext_lazy("expired")


_OPEN = (Life.WAITING, Life.SENT, Life.OPENED)
_MARKS = {Life.ACCEPTED: "good", Life.OPENED: "info", Life.SENT: "info", Life.WAITING: "wait"}


def life(invitation: Invitation, now: datetime) -> Life:
    """Where this invitation stands at ``now``; its end is exclusive."""
    if invitation.accepted_at is not None:
        return Life.ACCEPTED
    if invitation.revoked_at is not None:
        return Life.REVOKED
    if now >= invitation.expires_at:
        return Life.EXPIRED
    if invitation.opened_at is not None:
        return Life.OPENED
    return Life.SENT if invitation.sent_at is not None else Life.WAITING


def roles_open_to(inviter: User) -> list[Role]:
    """The roles somebody may invite to: staff roles only with the permission to grant them, and
    only below their own. Super admins come by command."""
    if not inviter.may(CREATE):
        return []
    grants = inviter.may(GRANT)
    return [Role.NONE, *(r for r in reversed(ROLES) if grants and rank(r) < inviter.rank)]


@dataclass(frozen=True, slots=True)
class Line:
    """An invitation in the list. ``may_act``: whether the viewer may revoke or renew it."""

    invitation: Invitation
    mark: str
    state: str
    is_open: bool
    may_act: bool


def lines(viewer: User, now: datetime) -> list[Line]:
    """The newest invitations, newest first; one statement."""
    rows = Invitation.objects.select_related("invited_by", "user").order_by("-created_at", "-pk")
    allowed = roles_open_to(viewer)
    return [
        Line(
            row,
            _MARKS.get(life(row, now), "none"),
            str(life(row, now).label),
            is_open=life(row, now) in _OPEN,
            may_act=row.accepted_at is None and row.role in allowed,
        )
        for row in rows[:_SHOWN]
    ]


@transaction.atomic
def invite(email: str, role: str, *, actor: User, reason: str, now: datetime) -> Invitation:
    """Invite the reader of this address; an invitation of theirs that is open is revoked. For
    somebody who may create users; to a staff role, who may grant it.

    Raises InvitationRefused.
    """
    if role not in roles_open_to(actor):
        raise InvitationRefused(_("You cannot invite to this role."))
    if addresses.is_taken(email):
        raise InvitationRefused(
            _("Somebody has an account with this address; change the role on their page.")
        )
    _of(email).update(revoked_at=now)
    invitation = Invitation(
        email=email, role=role, invited_by=actor, created_at=now, expires_at=now + LIVES
    )
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError as error:
        raise InvitationRefused(_("Somebody else invited this address just now.")) from error
    mail.send("invitation", invitation.pk, now=now)
    _record("users.invite", invitation, actor, now, reason=reason)
    return invitation


def _of(email: str) -> models.QuerySet[Invitation]:
    """The invitations of this address, in any case, that nobody accepted or revoked."""
    waiting = Invitation.objects.filter(accepted_at=None, revoked_at=None)
    return waiting.alias(_email=Lower("email")).filter(_email=Lower(Value(email)))


@transaction.atomic
def revoke(invitation_id: int, *, actor: User, now: datetime) -> bool:
    """Revoke an invitation; whether there was anything to revoke. Raises InvitationRefused."""
    locked = Invitation.objects.select_for_update(no_key=True).filter(pk=invitation_id).first()
    if locked is None or locked.accepted_at is not None or locked.revoked_at is not None:
        return False
    if locked.role not in roles_open_to(actor):
        raise InvitationRefused(_("You cannot invite to this role, nor take that back."))
    locked.revoked_at = now
    locked.save(update_fields=["revoked_at"])
    _record("users.revoke_invitation", locked, actor, now)
    return True


def _record(
    action: str, invitation: Invitation, actor: User, now: datetime, *, reason: str = ""
) -> None:
    record.entry(
        action,
        actor=actor,
        now=now,
        target=("invitation", invitation.pk, invitation.email),
        changes={"role": invitation.role},
        personal={"email": invitation.email},
        reason=reason,
    )


# Its letter and its link


def _bound(invitation: Invitation) -> tuple[object, ...]:
    return invitation.email, invitation.role, invitation.created_at.isoformat()


def token_of(invitation: Invitation) -> str:
    """The token that the letter carries."""
    return tokens.make(_PURPOSE, invitation.pk, *_bound(invitation))


def by_token(token: str) -> Invitation | None:
    """The invitation of a genuine token, whatever has become of it."""
    row = tokens.row_of(token)
    if row is None:
        return None
    invitation = Invitation.objects.select_related("invited_by").filter(pk=row).first()
    if invitation is None or not tokens.is_genuine(token, _PURPOSE, *_bound(invitation)):
        return None
    return invitation


def letter(invitation_id: int, written_at: datetime, now: datetime) -> Letter | None:
    """What the letter of an invitation needs; None when it is over."""
    invitation = Invitation.objects.select_related("invited_by").filter(pk=invitation_id).first()
    if invitation is None or why_not_join(invitation, now):
        return None
    return Letter(
        to=invitation.email,
        context={
            "role": "" if invitation.role == Role.NONE else invitation.get_role_display(),
            "until": f"{date_format(invitation.expires_at, 'j M Y, H:i')} UTC",
        },
        link=mail.link_to("account:join", token_of(invitation)),
        link_label=_("Make your account"),
        sent=lambda moment: _note_sent(invitation_id, moment),
    )


def _note_sent(invitation_id: int, now: datetime) -> None:
    Invitation.objects.filter(pk=invitation_id, sent_at=None).update(sent_at=now)


def note_opened(invitation: Invitation, now: datetime) -> None:
    """Somebody, or a program that looks at links in mail, opened it. It stays good."""
    Invitation.objects.filter(pk=invitation.pk, opened_at=None).update(opened_at=now)


_WHY_NOT: dict[Life, str | Promise] = {
    Life.ACCEPTED: gettext_lazy("This invitation was accepted already. It works once."),
    Life.REVOKED: gettext_lazy("This invitation was withdrawn, or a newer one took its place."),
    Life.EXPIRED: gettext_lazy("This invitation has expired."),
}


def why_not_join(invitation: Invitation, now: datetime) -> str:
    """Why nobody can join by this invitation; empty when somebody can. It falls with the right of
    whoever wrote it, and rests while they are suspended."""
    inviter = invitation.invited_by
    if why := _WHY_NOT.get(life(invitation, now)):
        return str(why)
    if inviter is None or invitation.role not in roles_open_to(inviter):
        return str(_WHY_NOT[Life.REVOKED])
    suspended = User.objects.restricted(Restriction.Kind.SUSPENSION, now)
    if suspended.filter(pk=inviter.pk).exists():
        return str(_WHY_NOT[Life.REVOKED])
    return ""


@transaction.atomic
def join(invitation: Invitation, username: str, password: str, *, now: datetime) -> User:
    """Make the account of whoever accepts: the invitation's address, verified, and its role.

    ``username`` and ``password`` must have passed their checks. Raises InvitationRefused when it is
    over, or the name or the address is taken.
    """
    waiting = Invitation.objects.select_for_update(of=("self",)).select_related("invited_by")
    invitation = waiting.get(pk=invitation.pk)
    if why := why_not_join(invitation, now):
        raise InvitationRefused(why)
    try:
        with transaction.atomic():
            email, role = invitation.email, Role(invitation.role)
            user = create_user(username, email=email, role=role, now=now)
    except IntegrityError as error:
        raise InvitationRefused(
            _("Somebody has this username, or this address, by now.")
        ) from error
    set_password(user, password, now=now)
    addresses.mark_verified(user, now=now)
    Invitation.objects.filter(pk=invitation.pk).update(
        accepted_at=now, user=user, opened_at=Coalesce(F("opened_at"), now)
    )
    record.entry(
        "users.accept_invitation",
        actor=user,
        now=now,
        target=("user", user.pk, user.username),
        changes={"role": [Role.NONE, user.role], "invitation": invitation.pk},
        personal={"username": [None, user.username], "email": [None, user.email]},
    )
    return user
