"""Every setting of CoAI Admin. The environment is read here, once; a wrong value is refused with a
sentence."""

from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from coai_admin.api_settings import *  # noqa: F403 (so that Django finds them)

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _required(name: str, why: str) -> str:
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {why}")
    return str(value)


def _one_of(name: str, choices: tuple[str, ...], default: str) -> str:
    value = env.str(name, default=default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be one of {', '.join(choices)}.")
    return str(value)


def _boolean(name: str, *, default: bool) -> bool:
    value = env.str(name, default="")
    if value == "":
        return default
    if value.lower() not in {"1", "0", "true", "false", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} is {value!r}; write on or off.")
    return value.lower() in {"1", "true", "yes", "on"}


def _number(name: str, default: int) -> int:
    value = env.str(name, default=str(default))
    if not (value.isascii() and value.isdigit()):
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number.")
    return int(value)


def _networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(
            ip_network(value.strip(), strict=False) for value in env.list(name, default=[])
        )
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name}: {error}. Write addresses or networks, divided by commas: "
            "10.0.0.7,10.1.0.0/16."
        ) from error


MODE = _one_of("COAI_MODE", ("development", "production"), "development")
PRODUCTION = MODE == "production"
DEBUG = False  # error pages are ours in development too; tracebacks stand in the log

SECRET_KEY = _required(
    "SECRET_KEY",
    "bin/start makes one; in production set a random string of 50 or more characters and keep it.",
)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"]
)
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("ALLOWED_HOSTS is not set: name the hosts that serve the console.")
BIND = env.str("BIND", default="127.0.0.1")
PORT = _number("PORT", 8000)
SITE_URL = env.str("SITE_URL", default=f"http://{BIND}:{PORT}").rstrip("/")
if not SITE_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured(f"SITE_URL is {SITE_URL!r}; it must start with http:// or https://.")
TRUSTED_PROXIES = _networks("TRUSTED_PROXIES")
HOME = Path(env.str("COAI_HOME", default=str(BASE_DIR / ".coai")))
EXPORTS = Path(env.str("COAI_EXPORTS", default=str(HOME / "exports")))  # web and workers share it
ADMIN_PASSWORD = env.str("COAI_ADMIN_PASSWORD", default="")
REQUIRE_STAFF_MFA = PRODUCTION or _boolean("COAI_REQUIRE_STAFF_MFA", default=False)

INSTALLED_APPS = [
    "users",
    "subscriptions",
    "billing",
    "audit",
    "coai_admin.console",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django.forms",
    "django_filters",
    "django_htmx",
    "pgtrigger",
    "rest_framework",
    "template_partials",
]
if find_spec("django_migration_linter"):  # a tool of bin/check, not of the running console
    INSTALLED_APPS.append("django_migration_linter")

MIDDLEWARE = [
    "coai_admin.console.middleware.RequestIdMiddleware",
    # What sets headers stands outside of what may refuse, so that refusals carry them too.
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "coai_admin.console.middleware.RefuseMalformedMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "users.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "users.sessions.middleware.SessionLimitsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "users.access.AccessMiddleware",
]
ROOT_URLCONF = "coai_admin.urls"
WSGI_APPLICATION = "coai_admin.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "users.navigation.context",
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": ["template_partials.templatetags.partials"],
        },
    }
]

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

DATABASE_URL = _required(
    "DATABASE_URL", "use bin/start and bin/manage, or name a PostgreSQL 15 or newer."
)
REDIS_URL = _required(
    "REDIS_URL", "use bin/start and bin/manage, or name a Redis or Valkey server."
)


def _database(url: str) -> dict[str, Any]:
    config: dict[str, Any] = environ.Env.db_url_config(url)
    if config.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL server (postgresql://…).")
    config["CONN_MAX_AGE"] = 300
    config["CONN_HEALTH_CHECKS"] = True
    config.setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
    return config


DATABASES = {"default": _database(DATABASE_URL)}
_replica = env.str("DATABASE_REPLICA_URL", default="")
REPLICA = "default"
if _replica:
    DATABASES["replica"] = _database(_replica)
    REPLICA = "replica"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "coai",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Identity and sign-in
AUTH_USER_MODEL = "users.User"
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # usernames are unique by lower(), an index it does not see
AUTHENTICATION_BACKENDS = ["users.sign_in.signing_in.SignInBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "users.passwords.hashers.WrappedImportHasher",
    "users.passwords.hashers.ImportHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account:sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account:sign_in"
ACCOUNT_ADAPTER = "users.sign_in.signing_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
MFA_ADAPTER = "users.second_factor.authenticators.Adapter"
MFA_TOTP_ISSUER = "CoAI Admin"
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/300s/key"}

SESSION_ENGINE = "users.sessions.store"
SESSION_COOKIE_NAME = "coai_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_IDLE_SECONDS = 30 * 60
SESSION_ABSOLUTE_SECONDS = 12 * 60 * 60
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "coai_admin.console.errors.csrf_failure"

# Headers
_secure_site = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION or _secure_site
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
_UNUSED = ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
PERMISSIONS_POLICY: dict[str, list[str]] = {feature: [] for feature in _UNUSED}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # of any body, files included
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
MAX_JSON_DEPTH = 32

# Language, time, files
LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LOCALE_PATHS = [BASE_DIR / "locale"]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = HOME / "static" if PRODUCTION else None
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "coai_admin.console.assets.ModuleStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
EMAIL_CONFIG: dict[str, Any] = environ.Env.email_url_config(
    # Letters hold links that are as good as passwords; in production none is printed.
    env.str("EMAIL_URL", default="smtp://localhost:25" if PRODUCTION else "consolemail://")
)
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 10  # seconds: a server that hangs must not hold the outbox
_mail_host = urlsplit(SITE_URL).hostname or "localhost"
if _mail_host.replace(".", "").isdigit() or ":" in _mail_host:
    _mail_host = "localhost"  # a number is no domain of mail
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"CoAI <no-reply@{_mail_host}>")

# Background work
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
}
CELERY_BEAT_SCHEDULER = "redbeat.RedBeatScheduler"
CELERY_REDBEAT_REDIS_URL = REDIS_URL
CELERY_REDBEAT_KEY_PREFIX = "coai:beat:"
CELERY_REDBEAT_LOCK_TIMEOUT = 25
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_TIMEZONE = "UTC"
RUN_LEASE = _number("COAI_RUN_LEASE", 20)  # seconds; a run whose worker died is taken up after
CELERY_WORKER_HIJACK_ROOT_LOGGER = False  # its lines go where all go
CELERY_WORKER_REDIRECT_STDOUTS = False  # a handler on a redirected stderr would log itself for ever

# What is listed across apps: dotted names, each imported once by the registry in audit
OPERATIONS = [
    "billing.operations.OPERATIONS",
    "subscriptions.operations.OPERATIONS",
    "users.operations.OPERATIONS",
]
OPERATIONS_APART = ["users.uploads.operations.OPERATIONS"]  # begun on pages of their own
OUTBOX_HANDLERS: dict[str, str] = {
    "users.mail": "users.mail.deliver",
    "audit.approval_asked": "users.approvals.tell_colleagues",
    "audit.approval_over": "users.approvals.tell_owner",
    "users.wrap_imported_passwords": "users.imports.passwords.wrap_next",
}
NOTICES = ("password_changed", "second_factor_changed", "second_factor_reset", "step_up_locked")
EXPORT_WRITERS: dict[str, str] = {"users": "users.exporting.writing.USERS_WRITER"}
EXPORTS_AT_ONCE = 1  # files being written: the other workers are for all else
UPLOADS_AT_ONCE = 1  # files being read, for the same reason
LETTERS: dict[str, str] = {  # who finds what each letter needs; templates/mail/<name>.txt says it
    **dict.fromkeys(NOTICES, "users.mail.to_user"),
    "password_link": "users.passwords.sending.letter",
    "approval_asked": "users.approvals.letter_to_colleague",
    "approval_over": "users.approvals.letter_to_owner",
    "invitation": "users.invitations.inviting.letter",
    "verify_email": "users.email.verifying.letter",
    "verify_new_email": "users.email.changes.to_verify",
    **dict.fromkeys(("email_changing", "email_changed"), "users.email.changes.to_keep"),
    "second_factor_reset_asked": "users.second_factor.cancelling.letter",
    **dict.fromkeys(("export_ready", "export_failed"), "users.exporting.letters.about_last"),
}
ACTIONS = ["users.actions.ACTIONS"]  # what the audit log holds besides operations
DEFECT_FINDERS = [  # what manage.py reconcile asks
    "billing.reports.defects",
    "subscriptions.reports.defects",
]
PARTITIONED_TABLES = ["audit_entry", "audit_personal", "billing_transfer"]
USER_PANELS = [
    "billing.panels.OVERVIEW",
    "audit.panels.OVERVIEW",
    "users.panels.OVERVIEW",
    "billing.panels.PANELS",
    "subscriptions.panels.PANELS",
    "users.panels.PANELS",
    "audit.panels.PANELS",
]

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "coai_admin.console.logs.formatter", "as_json": PRODUCTION}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django.request": {"level": "ERROR"}, "django.security": {"level": "WARNING"}},
}
