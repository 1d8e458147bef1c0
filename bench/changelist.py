"""The peer of the user table: a stock ModelAdmin over the same rows. A process of its own, because
the console has no django.contrib.admin."""

from __future__ import annotations

import json
import logging
import os
import sys

import django


def main(samples: int) -> None:
    """Print the milliseconds (95 %) of its first page, its last page and a search."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.changelist_settings"
    django.setup()
    logging.disable(logging.INFO)
    from django.test import Client  # noqa: PLC0415 (after the setup)

    from bench.pages import measure  # noqa: PLC0415
    from users.models import User  # noqa: PLC0415

    client = Client()
    client.force_login(User.objects.get(username="bench"))
    pages = -(-User.objects.count() // 50)
    path = "/peer/users/user/"
    asked = {"first": path, "last": f"{path}?p={pages}", "search": f"{path}?q=chen"}
    measured = measure(client, asked, samples)
    print(json.dumps({name: each.milliseconds for name, each in measured.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
