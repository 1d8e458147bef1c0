"""A mail server of our own: letters arrive as on any other, and are read and followed."""

import email
import re
import socket
from contextlib import contextmanager
from email import policy

from aiosmtpd.controller import Controller
from django.utils.timezone import now as time_now

from audit import outbox


class Post:
    """What has arrived; ``answer`` is what the server says to a letter instead of taking it,
    ``refused`` are addresses that it does not know, ``connections`` how often it was called."""

    def __init__(self):
        self.letters = []
        self.answer = None
        self.refused = set()
        self.connections = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (aiosmtpd calls it)
        if self.answer:
            return self.answer
        self.letters.append(Arrived(envelope))
        return "250 taken"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refused:
            return "550 unknown here"
        if self.answer and self.answer.startswith("55"):
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 known"

    def fetch(self, now=None):
        """Let the outbox deliver what is due; returns the letters that arrived by it."""
        before = len(self.letters)
        outbox.deliver(now=now or time_now(), limit=1_000)
        return self.letters[before:]


class Arrived:
    """A letter as its recipient has it."""

    def __init__(self, envelope):
        self.recipients = envelope.rcpt_tos
        self.sender = envelope.mail_from
        self.message = email.message_from_bytes(envelope.content, policy=policy.default)
        self.subject = self.message["Subject"]
        self.text = self.message.get_body(("plain",)).get_content()
        self.html = self.message.get_body(("html",)).get_content()

    @property
    def links(self):
        return re.findall(r"https?://\S+", self.text)

    @property
    def path(self):
        """Where the letter's one link leads, without the host, as a test client follows it."""
        [link] = self.links
        return re.sub(r"^https?://[^/]+", "", link)


@contextmanager
def post_office(settings):
    """A server on a port of its own, to which the settings lead."""
    post = Post()
    controller = Controller(post, hostname="127.0.0.1", port=_free_port())
    controller.start()
    try:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = controller.hostname, controller.port
        yield post
    finally:
        controller.stop()


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
