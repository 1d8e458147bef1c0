"""The web application, for gunicorn."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coai_admin.settings")
django.setup(set_prefix=False)

from coai_admin.console.wsgi import Handler, settle  # noqa: E402

application = Handler()
settle()
