"""Django's command line. Run it as bin/manage, which brings servers and environment along."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coai_admin.settings")
    execute_from_command_line(sys.argv)
