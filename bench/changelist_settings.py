"""The console's settings with Django's admin beside it, for bench/changelist.py."""

from coai_admin.settings import *  # noqa: F403
from coai_admin.settings import INSTALLED_APPS, TEMPLATES

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin"]
ROOT_URLCONF = "bench.changelist_urls"
MIDDLEWARE = [
    "users.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
_engine = dict(TEMPLATES[0])
_engine["APP_DIRS"] = False
_engine["OPTIONS"] = {
    **_engine["OPTIONS"],
    "context_processors": [
        name for name in _engine["OPTIONS"]["context_processors"] if name.startswith("django.")
    ],
}
TEMPLATES = [_engine]
