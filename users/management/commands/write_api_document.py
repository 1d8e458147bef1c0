"""Writing docs/api.yaml anew after the API changed; a test compares it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from users.api.document import PATH, as_yaml


class Command(BaseCommand):
    help = "Write the OpenAPI document of /api/v1/ to docs/api.yaml."

    def handle(self, *args: Any, **options: Any) -> None:
        (settings.BASE_DIR / PATH).write_text(as_yaml())
        self.stdout.write(f"Wrote {PATH}.")
