"""How tests stand to step-up and second factors.

``force_login`` leaves out the sign-in, which would count as step-up; so that tests of other things
need not confirm who they are, an autouse fixture (``tests.conftest``) marks every forced login as
stepped up. What is about step-up itself signs in through the page, or calls ``step_down``.
"""

from datetime import UTC, datetime
from functools import wraps

from django.utils.timezone import now as time_now

from users.sign_in.step_up import BEGAN


def stepped_up(force_login):
    """Django's ``Client.force_login``, after which the session is stepped up."""

    @wraps(force_login)
    def forced(client, user, backend=None):
        force_login(client, user, backend)
        step_up(client)

    return forced


def step_up(client):
    """Let the client's session have confirmed just now."""
    session = client.session
    session[BEGAN] = time_now().isoformat()
    session.save()


def step_down(client):
    """Let the client's step-up be over."""
    session = client.session
    session[BEGAN] = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    session.save()
