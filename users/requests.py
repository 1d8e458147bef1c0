"""The request as the console's views get it."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from users.models import User


class StaffRequest(HttpRequest):
    """A request of a signed-in person: ``users.access`` lets no other through."""

    user: User
    htmx: HtmxDetails
