"""Who people are: accounts, their sessions and API keys, and what restricts them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Coalesce, Lower, Upper
from django.utils.module_loading import import_string
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from audit.people import ApprovalLimits, CreditLimits
from users import console_settings, roles
from users.account_models import EmailChange as EmailChange
from users.account_models import Invitation as Invitation
from users.account_models import Note as Note
from users.account_models import PasswordLink as PasswordLink
from users.account_models import SecondFactorReset as SecondFactorReset
from users.account_models import Tag as Tag
from users.account_models import Tagging as Tagging
from users.export_models import ExportSchedule as ExportSchedule
from users.import_models import ImportRun as ImportRun
from users.import_models import LegacyRow as LegacyRow
from users.plain_text import beyond_ascii, plain_text
from users.querysets import RestrictionQuerySet, UserManager, UserQuerySet
from users.upload_models import Upload as Upload
from users.upload_models import UploadPart as UploadPart
from users.upload_models import UploadRow as UploadRow
from users.view_models import Preferences as Preferences
from users.view_models import SavedView as SavedView
from users.view_models import Setting as Setting

# Sorts before every real sign-in: those who were never seen stand with the longest absent.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class User(AbstractBaseUser):
    """A person with an account: a customer, or staff when ``role`` is set.

    Written only by users.services (role, restriction, password and closing have one writer each).
    """

    class EmailState(models.TextChoices):
        OK = "ok", _("ok")
        BOUNCING = "bouncing", _("bouncing")
        COMPLAINED = "complained", _("complained")
        SUPPRESSED = "suppressed", _("suppressed")

    username = models.TextField(_("username"))
    email = models.EmailField(_("email"), max_length=254, null=True, blank=True)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    email_state = models.TextField(choices=EmailState.choices, default=EmailState.OK)
    password_changed_at = models.DateTimeField(null=True, blank=True)
    must_change_password = models.BooleanField(default=False)
    role = models.TextField(choices=roles.Role.choices, default=roles.Role.NONE)
    scope = models.JSONField(default=dict, blank=True)
    country = models.CharField(max_length=2, default="", blank=True)
    locale = models.CharField(max_length=16, default="", blank=True)
    timezone = models.CharField(max_length=64, default="", blank=True)
    joined_at = models.DateTimeField(default=now)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    last_login = None  # sessions and last_seen_at say more

    legacy_source = models.TextField(default="", blank=True)
    legacy_id = models.BigIntegerField(null=True, blank=True)
    legacy_username = models.TextField(null=True, blank=True)
    import_flags = ArrayField(models.TextField(), default=list, blank=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager.from_queryset(UserQuerySet)()

    class Meta:
        db_table = "users_user"
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_username_unique"),
            models.UniqueConstraint(Lower("email"), name="user_email_unique"),
            models.UniqueConstraint("legacy_source", "legacy_id", name="user_legacy_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=roles.Role.values), name="user_role_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(username=""), name="user_username_not_empty"
            ),
            models.CheckConstraint(condition=~models.Q(email=""), name="user_email_not_empty"),
        ]
        indexes = [
            GinIndex(OpClass(Upper("username"), name="gin_trgm_ops"), name="user_username_trgm"),
            GinIndex(
                OpClass(plain_text(models.F("username")), name="gin_trgm_ops"),
                name="user_plain_name_trgm",
                condition=beyond_ascii("username"),
            ),
            GinIndex(OpClass(Upper("email"), name="gin_trgm_ops"), name="user_email_trgm"),
            GinIndex(fields=["import_flags"], name="user_import_flags"),
            models.Index(
                fields=["joined_at", "id"], include=["last_seen_at"], name="user_joined_seen"
            ),
            models.Index(
                fields=["role", "id"], name="user_staff", condition=~models.Q(role=roles.Role.NONE)
            ),
            models.Index(fields=["country", "id"], name="user_country"),
            models.Index(fields=["password_changed_at", "id"], name="user_password_changed"),
            models.Index(Coalesce("last_seen_at", NEVER), "id", name="user_seen"),
            models.Index(
                fields=["id"], name="user_no_email", condition=models.Q(email__isnull=True)
            ),
            models.Index(
                fields=["id"], name="user_closed", condition=models.Q(closed_at__isnull=False)
            ),
            models.Index(
                fields=["email_state", "id"],
                name="user_email_state",
                condition=~models.Q(email_state="ok"),
            ),
            models.Index(
                fields=["legacy_username"],
                name="user_legacy_username",
                condition=models.Q(legacy_username__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.username

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """Whether the account is open. Restrictions are decided at read time, see
        ``Restriction``."""
        return self.closed_at is None

    @property
    def is_staff(self) -> bool:
        return self.role != roles.Role.NONE

    @property
    def rank(self) -> int:
        return roles.rank(self.role)

    @property
    def uses_shortcuts(self) -> bool:
        """Whether single keys are shortcuts for this person. Their preferences should be loaded
        with them."""
        preferences: Preferences | None = getattr(self, "preferences", None)
        return preferences is None or preferences.shortcuts

    @property
    def credit_limits(self) -> CreditLimits | None:
        """How many credits this person may move by hand; None: as many as they like."""
        return console_settings.credit_limits(self.role)

    @property
    def approval_limits(self) -> ApprovalLimits:
        """What this person does without a second one."""
        return console_settings.approval_limits()

    def approved_for(self, code: str) -> str:
        """What the permission ``code`` covers, where this person's role holds it only with a
        second person's approval; else empty."""
        return str(roles.ROWS[code].label) if "2" in roles.grant(self.role, code) else ""

    def may(self, code: str) -> bool:
        """Whether this person's role holds the permission ``code``; a closed account holds none."""
        return self.is_active and code in roles.permissions(self.role)

    def sees_only_own(self, code: str) -> bool:
        """Whether the role holds ``code`` for its own records only."""
        return roles.grant(self.role, code) == "O"

    def sees_masked(self, code: str) -> bool:
        """Whether the role holds ``code`` with personal data masked."""
        return "M" in roles.grant(self.role, code)

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.may(perm)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


class Session(AbstractBaseSession):
    """One browser, signed in or on its way there. Ending a user's sessions is one DELETE."""

    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    ip = models.GenericIPAddressField(null=True)
    agent = models.TextField(default="")
    created_at = models.DateTimeField(default=now)
    seen_at = models.DateTimeField(default=now)

    class Meta:
        db_table = "users_session"
        indexes = [
            models.Index(fields=["user", "seen_at"], name="session_user"),
            models.Index(fields=["ip"], name="session_ip"),
        ]

    @classmethod
    def get_session_store_class(cls) -> type:
        store: type = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
        return store


class ApiKey(models.Model):
    """A customer's ``sk-…`` key, kept as a SHA-256 digest; ``prefix`` is what people recognise it
    by."""

    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    digest = models.BinaryField(unique=True, max_length=32)
    prefix = models.TextField()
    name = models.TextField(default="", blank=True)
    created_at = models.DateTimeField(default=now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by_act = models.UUIDField(null=True, blank=True)

    class Meta:
        db_table = "users_apikey"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(revoked_by_act__isnull=True)
                | models.Q(revoked_at__isnull=False),
                name="apikey_revoked_by_needs_revoked_at",
            )
        ]
        indexes = [models.Index(OpClass("prefix", name="text_pattern_ops"), name="apikey_prefix")]

    def __str__(self) -> str:
        return f"{self.prefix}…"


class ReasonCode(models.Model):
    """Why an account is restricted; fills the notice and the usual duration."""

    code = models.SlugField(primary_key=True, max_length=40)
    label = models.TextField()
    public_text = models.TextField()
    default_days = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("Empty: permanent.")
    )
    appealable = models.BooleanField(default=True)
    active = models.BooleanField(default=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "users_reasoncode"

    def __str__(self) -> str:
        return self.label


class Restriction(models.Model):
    """A limit on a person's use, for a reason. Live while started, not ended and not lifted;
    "banned" in the table is a live suspension, permanent when ``ends_at`` is empty. The state is
    computed when it is read, so a late job keeps nobody out."""

    class Kind(models.TextChoices):
        WARNING = "warning", _("warning")
        LIMIT = "limit", _("limit")
        SUSPENSION = "suspension", _("suspension")

    user = models.ForeignKey(User, models.PROTECT, related_name="restrictions")
    kind = models.TextField(choices=Kind.choices)
    reason = models.ForeignKey(ReasonCode, models.PROTECT, related_name="+")
    public_text = models.TextField(blank=True, default="")
    internal_note = models.TextField(blank=True, default="")
    evidence = models.JSONField(default=list, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    issuer = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    act_id = models.UUIDField(null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    lifted_act_id = models.UUIDField(null=True, blank=True)
    lifted_reason = models.TextField(blank=True, default="")

    objects = models.Manager.from_queryset(RestrictionQuerySet)()

    class Meta:
        db_table = "users_restriction"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=["warning", "limit", "suspension"]),
                name="restriction_kind_known",
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__isnull=True)
                | models.Q(ends_at__gt=models.F("starts_at")),
                name="restriction_ends_after_start",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "starts_at"], name="restriction_user"),
            models.Index(
                fields=["user", "kind"],
                name="restriction_unlifted",
                condition=models.Q(lifted_at__isnull=True),
            ),
            models.Index(fields=["act_id"], name="restriction_act"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.user_id}"

    def is_live(self, now: datetime) -> bool:
        """Whether it holds at ``now``; the end is exclusive."""
        return (
            self.lifted_at is None
            and self.starts_at <= now
            and (self.ends_at is None or now < self.ends_at)
        )
