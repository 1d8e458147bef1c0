"""What is done to an account and outlives the act: tags, staff notes, a change of address on its
way, a reset of the second factor that waits, the links that are mailed, invitations. Part of
``users.models``."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now

from users import roles


class Tag(models.Model):
    """A word that staff put on people, to find them by."""

    name = models.TextField()
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "users_tag"
        constraints = [
            models.UniqueConstraint(Lower("name"), name="tag_name_unique"),
            models.CheckConstraint(condition=~models.Q(name=""), name="tag_name_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class Tagging(models.Model):
    """One tag on one person."""

    tag = models.ForeignKey(Tag, models.CASCADE, related_name="taggings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="taggings")
    created_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "users_tagging"
        constraints = [
            models.UniqueConstraint(fields=["user", "tag"], name="tagging_once"),
        ]
        indexes = [models.Index(fields=["tag", "user"], name="tagging_by_tag")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.user_id}"


class Note(models.Model):
    """What a colleague wrote about a person, for colleagues. A note that was withdrawn stays for
    the record and is not shown."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notes")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    text = models.TextField()
    created_at = models.DateTimeField(default=now)
    act_id = models.UUIDField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "users_note"
        indexes = [models.Index(fields=["user", "created_at"], name="note_user")]

    def __str__(self) -> str:
        return f"note on {self.user_id}"


class EmailChange(models.Model):
    """A change of address: pending until the new address is verified, and for 72 hours after that
    the old one can undo it. At most one of a user is pending."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="email_changes")
    old_email = models.EmailField(max_length=254, null=True)
    new_email = models.EmailField(max_length=254)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    act_id = models.UUIDField()
    verified_at = models.DateTimeField(null=True)
    undo_until = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "users_emailchange"
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                name="emailchange_one_pending",
                condition=models.Q(verified_at__isnull=True, cancelled_at__isnull=True),
            )
        ]
        indexes = [
            models.Index(fields=["user", "created_at"], name="emailchange_user"),
            models.Index(fields=["act_id"], name="emailchange_act"),
        ]

    def __str__(self) -> str:
        return f"address of {self.user_id}"


class PasswordLink(models.Model):
    """A link by which a person chooses a new password, once. The token is derived from the row and
    the server's key and stands nowhere."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="password_links"
    )
    email = models.EmailField(max_length=254)
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    act_id = models.UUIDField()
    sent_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "users_passwordlink"
        indexes = [
            models.Index(fields=["user", "created_at"], name="passwordlink_user"),
            models.Index(fields=["act_id"], name="passwordlink_act"),
        ]

    def __str__(self) -> str:
        return f"password link of {self.user_id}"


class SecondFactorReset(models.Model):
    """A reset of a second factor that was asked for: nothing is lost before ``due_at``, and until
    then it can be cancelled. At most one of a user is open."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="second_factor_resets"
    )
    requested_at = models.DateTimeField(default=now)
    due_at = models.DateTimeField()
    act_id = models.UUIDField()
    cancelled_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "users_secondfactorreset"
        constraints = [
            models.UniqueConstraint(
                fields=["user"],
                name="secondfactorreset_one_open",
                condition=models.Q(cancelled_at__isnull=True, done_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"reset of the second factor of {self.user_id}"


class Invitation(models.Model):
    """A link by which somebody becomes staff, once, with at most the role named here. The token is
    derived, as that of ``PasswordLink``."""

    email = models.EmailField(max_length=254)
    role = models.TextField(choices=roles.Role.choices)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="invitation"
    )

    class Meta:
        db_table = "users_invitation"
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="invitation_one_open",
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.email
