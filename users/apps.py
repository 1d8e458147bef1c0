"""The app's place in Django."""

from django.apps import AppConfig
from django.core import checks


class UsersConfig(AppConfig):
    name = "users"

    def ready(self) -> None:
        """Register the check; it imports models, which exist only from here on."""
        from users.checks import check_access  # noqa: PLC0415

        checks.register(check_access)
