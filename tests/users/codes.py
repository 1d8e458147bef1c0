"""Second factors in tests: an app that shows codes, and people who have one."""

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.utils.timezone import now as time_now

from tests.users.conftest import person
from users.second_factor import authenticators


class App:
    """An authenticator app with a secret."""

    def __init__(self, secret):
        self.secret = secret.replace(" ", "")

    def code(self, *, steps=0, now=None):
        """What it shows, ``steps`` half-minutes from ``now``."""
        counter = int((now or time_now()).timestamp()) // authenticators.PERIOD + steps
        return format_hotp_value(hotp_value(self.secret, counter))


SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def enrolled(username="ana", **fields):
    """Somebody with a second factor, none of whose codes was used; and their app."""
    user = person(username, **fields)
    seal = authenticators.Adapter().encrypt
    authenticators.Authenticator.objects.create(
        user=user, type=authenticators.TOTP, data={"secret": seal(SECRET), "last_counter": 0}
    )
    return user, App(SECRET)
