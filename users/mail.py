"""Mail to people. A letter goes into the outbox in the transaction that gives rise to it, with the
id of a row and nothing secret; a worker reads the row, renders the letter and sends it, always to
the address that stands in the database then. A letter may arrive twice after a crash; its
Message-ID is the same then."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from audit import outbox
from users.models import User

KIND = "users.mail"
NOTICE_LIVES = timedelta(days=3)  # who reads it later is only confused by it
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Letter:
    """What one letter needs: the stored address, what its templates show, the link it is about
    with the words on its button, and what to do once the server has taken it."""

    to: str
    context: Mapping[str, Any] = field(default_factory=dict)
    link: str = ""
    link_label: str = ""
    sent: Callable[[datetime], None] = lambda _now: None


Finder = Callable[[int, datetime, datetime], Letter | None]


@cache
def _finder(name: str) -> Finder:
    finder: Finder = import_string(settings.LETTERS[name])
    return finder


def send(name: str, row: int, *, now: datetime) -> None:
    """Put a letter into the outbox, in the caller's transaction. ``name`` is a key of
    settings.LETTERS: the function there gets ``row`` (the id of what the letter is about), when the
    letter was written and the present moment, and answers with a ``Letter``, or None when it is no
    longer wanted. The text is templates/mail/<name>.txt.

    Raises KeyError for an unknown letter, RuntimeError outside a transaction.
    """
    send_many(name, [row], now=now)


def send_many(name: str, rows: Iterable[int], *, now: datetime) -> None:
    """As ``send``, a letter for each row, in one statement."""
    _finder(name)
    letters = [
        {"letter": name, "row": row, "message_id": str(uuid.uuid4()), "written_at": str(now)}
        for row in rows
    ]
    outbox.send_many(KIND, letters, now=now)


_open: ContextVar[Any] = ContextVar("users.mail.open")


@contextmanager
def one_connection() -> Iterator[None]:
    """The letters that are delivered in here go over one connection, which the first of them
    opens."""
    connection = get_connection()
    token = _open.set(connection)
    try:
        yield
    finally:
        _open.reset(token)
        _close(connection)


@outbox.together(one_connection)
def deliver(letter: str, row: int, message_id: str, written_at: str, *, now: datetime) -> None:
    """Render and send one letter: the handler of the outbox, which tries again when the server
    does not take it. A letter to nobody, or to what is no address, is not sent."""
    moment = parse_datetime(written_at)
    assert moment is not None
    found = _finder(letter)(row, moment, now)
    if found is None or not is_address(found.to):
        _log.info("letter_dropped", letter=letter, row=row)
        return
    _hand_over(_message(letter, found, message_id, moment))
    found.sent(now)


def _hand_over(message: EmailMultiAlternatives) -> None:
    """Give a letter to the server. After one that it did not take, the next letter gets a new
    connection: a server may have hung up, or wait for the rest of what was broken off."""
    message.connection = _open.get()
    try:
        message.connection.open()
        message.send()
    except Exception:
        _close(message.connection)
        raise


def _close(connection: Any) -> None:
    with suppress(OSError):  # smtplib's errors too: what was taken is taken
        connection.close()


def _message(name: str, letter: Letter, message_id: str, at: datetime) -> EmailMultiAlternatives:
    context = {**letter.context, "link": letter.link, "site": settings.SITE_URL, "at": at}
    subject, _end, body = render_to_string(f"mail/{name}.txt", context).strip().partition("\n")
    subject, body = " ".join(subject.split()), body.strip() + "\n"
    message = EmailMultiAlternatives(
        subject,
        body,
        to=[letter.to],
        headers={
            "Message-ID": f"<{message_id}@{_host()}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    looks = {
        "subject": subject,
        "paragraphs": [part.strip() for part in body.split("\n\n")],
        "link": letter.link,
        "link_label": letter.link_label,
    }
    message.attach_alternative(render_to_string("mail/letter.html", looks), "text/html")
    return message


def _host() -> str:
    return urlsplit(settings.SITE_URL).hostname or "localhost"


def is_address(text: str | None) -> bool:
    """Whether this is one address and nothing else; what an import brought may be anything."""
    try:
        validate_email(text)
    except ValidationError:
        return False
    return text is not None and has_plain_name(text)


def has_plain_name(address: str) -> bool:
    """Whether what stands before the @ is ASCII. Django's check takes letters whose other case is
    (ı for i), and a mail server may take one for the other: somebody else's address."""
    return address.rpartition("@")[0].isascii()


def link_to(page: str, token: str) -> str:
    """The whole address of a public page, on the site's own name whatever host was asked."""
    return f"{settings.SITE_URL}{reverse(page, args=[token])}"


def to_user(row: int, written_at: datetime, now: datetime) -> Letter | None:
    """The finder of plain notices: to the user of this id, if it is not too late for news.
    Templates have ``name`` (the username, in one line) and ``at``."""
    user = User.objects.filter(pk=row).only("username", "email").first()
    if user is None or user.email is None or now - written_at > NOTICE_LIVES:
        return None
    return Letter(to=user.email, context={"name": one_line(user.username)})


def one_line(name: str) -> str:
    """A name as letters show it: an import may bring line breaks."""
    return " ".join(name.split())
