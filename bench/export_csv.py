"""The export of all users, all columns, formula-safe: beside COPY of the same SELECT unescaped, and
beside django-import-export."""

from __future__ import annotations

import argparse
import logging
import resource
import statistics
import time
from collections.abc import Callable

from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now
from import_export.resources import ModelResource

from bench.report import Case, case
from coai_admin.console import exports
from users.models import User
from users.roles import Role
from users.services import create_user
from users.sign_in import step_up
from users.table import USERS

_ROUNDS = 5
_PEER_ROWS = 20_000
_MEGABYTE = 1024  # of ru_maxrss, which is in kB


class UserResource(ModelResource):
    """The users as django-import-export writes them: as many columns as ours, of the same
    tables, untouched where ours are computed (status, effective tier)."""

    class Meta:
        model = User
        fields = (
            "username",
            "id",
            "email",
            "email_state",
            "email_verified_at",
            "closed_at",
            "standing__tier",
            "account__balance",
            "account__used_total",
            "standing__subscription",
            "standing__months",
            "standing__ends_at",
            "last_seen_at",
            "joined_at",
            "country",
            "role",
        )


def run(options: argparse.Namespace) -> list[Case]:
    """Measure the whole download, the bare COPY, and the peer on a part of the rows."""
    logging.disable(logging.INFO)
    person = User.objects.filter(username="bench").first() or create_user(
        "bench", role=Role.SUPER_ADMIN
    )
    client = Client()
    client.force_login(person)
    _confirm(client)
    reading = USERS.read(QueryDict(), viewer=person, now=time_now())
    columns = exports.fields(reading, masked=False)
    rows = User.objects.count()
    _download(client)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours, bare = [], []
    for _round in range(_ROUNDS):
        ours.append(_seconds(lambda: _download(client)))
        bare.append(_seconds(lambda: _copy(reading, columns)))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / _MEGABYTE
    mine, plain = statistics.median(ours), statistics.median(bare)
    people = User.objects.select_related("account", "standing").order_by("pk")[:_PEER_ROWS]
    peer = _seconds(lambda: UserResource().export(people).csv) * rows / min(rows, _PEER_ROWS)
    return [
        case(f"{rows:,} users, {len(columns)} columns beside COPY", mine, "s", peer=plain, limit=2),
        case("rows per second", rows / mine, "/s", better="higher"),
        case(
            f"beside django-import-export, {len(UserResource.Meta.fields)} columns",
            mine,
            "s",
            peer=peer,
            limit=1 / 20,
        ),
        case("memory grown by exporting", grown, "MB", limit=20),
    ]


def _confirm(client: Client) -> None:
    """Whole addresses leave only for who has just confirmed that it is them."""
    session = client.session
    session[step_up.BEGAN] = time_now().isoformat()
    session.save()


def _download(client: Client) -> None:
    """The whole download, as it leaves the server."""
    answer = client.post(reverse("users:export"), {"whole": "on", "reason": "measured"})
    for _block in answer.streaming_content:
        pass


def _copy(reading: object, columns: object) -> None:
    """The same SELECT by COPY, with nothing defused."""
    values = {f"_{column.name}": exports._typed(column, safe=False) for column in columns}
    sql, params = reading.ordered().annotate(**values).values_list(*values).query.sql_with_params()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({sql}) TO STDOUT (FORMAT csv)", params) as copy,
    ):
        for _line in copy:
            pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
