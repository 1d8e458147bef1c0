"""Django's command line. Run it as bin/manage, which brings servers and environment along."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coai_admin.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018 — reads the environment, where a person's mistakes are
    except ImproperlyConfigured as mistake:
        sys.exit(str(mistake))
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:  # Ctrl-C is no failure to trace
        sys.exit(130)


if __name__ == "__main__":
    main()
