"""What was mailed to people, so that the pages of its links can be opened: tokens by the name of
the page, and ``mover``, whose address is about to change."""

from tests.factories import make_user
from users import password_links, tokens
from users.email import changes
from users.email.changing import change_email
from users.invitations import inviting
from users.models import EmailChange, PasswordLink
from users.passwords.sending import choose_password, send_password_link
from users.roles import Role

REASON = "Asked for it on the telephone."


def make_letters(now, actor, ana, wide):
    """Links to ana (one that was used, one that is open), a change of address of somebody with
    long names, and invitations in every state."""
    send_password_link([ana.pk], actor=actor, reason=REASON, now=now)
    used = password_links.token_of(PasswordLink.objects.get(user=ana))
    choose_password(used, "a wholly different battery", now=now)
    send_password_link([ana.pk, wide.pk], actor=actor, reason=REASON, now=now)
    mover = make_user("mover", email="mover@mailbox.example", email_verified_at=now)
    change_email([mover.pk], actor=actor, email="elsewhere@mailbox.example", reason=REASON, now=now)
    change = EmailChange.objects.get()
    return {
        "choose": password_links.token_of(PasswordLink.objects.get(user=wide)),
        "used": used,
        "mover": mover.pk,
        "verify": _token(change, changes.VERIFY, change.new_email),
        "keep": _token(change, changes.KEEP, change.old_email),
        "join": make_invitations(now, actor),
    }


def _token(change, purpose, address):
    return tokens.make(purpose, change.pk, change.user_id, address, change.act_id)


def make_invitations(now, actor):
    """One that was accepted, one that was revoked, one that is open, whose token is returned."""
    accepted, revoked, waiting = (
        inviting.invite(
            f"{name}@mailbox.example", role, actor=actor, reason="Joins the desk.", now=now
        )
        for name, role in (
            ("eva", Role.READ_ONLY),
            ("a-very-long-name-of-somebody" * 2, Role.NONE),
            ("mei", Role.SUPPORT),
        )
    )
    inviting.join(accepted, "eva", "a wholly different battery", now=now)
    inviting.revoke(revoked.pk, actor=actor, now=now)
    return inviting.token_of(waiting)
