"""``manage.py demo``: only into an empty database, passwords printed once."""

import logging
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.contrib.auth.hashers import check_password
from django.core.management import CommandError, call_command

from billing import reports
from tests.hashing import HASHERS
from users.demo.loading import NotEmpty, load_demo
from users.models import User
from users.roles import ROLES, Role
from users.services import create_user

NOW = datetime(2026, 7, 15, 12, tzinfo=UTC)


@pytest.fixture
def quick(settings):
    settings.PASSWORD_HASHERS = HASHERS


@pytest.mark.django_db
def test_demo_where_anybody_is_refuses_and_writes_nothing(quick):
    create_user("somebody")
    with pytest.raises(NotEmpty, match="empty database"):
        load_demo(10, now=NOW)
    assert User.objects.count() == 1
    with pytest.raises(CommandError, match="empty database"):
        call_command("demo", users=10)


@pytest.mark.django_db
def test_demo_beside_a_super_admin_keeps_them_the_only_one(quick):
    admin = create_user("admin", role=Role.SUPER_ADMIN)
    loaded = load_demo(12, now=NOW)
    assert list(User.objects.filter(role=Role.SUPER_ADMIN)) == [admin]
    assert [each.password == "" for each in loaded.staff] == [True, False, False, False]


@pytest.mark.django_db
@pytest.mark.parametrize("number", [1, 7])
def test_demo_of_a_handful_loads(quick, number):
    load_demo(number, now=NOW)
    assert User.objects.filter(role=Role.NONE).count() == number
    assert list(reports.defects()) == []


@pytest.mark.django_db
def test_demo_command_prints_each_password_once_and_logs_none(quick, caplog):
    out = StringIO()
    with caplog.at_level(logging.DEBUG):
        call_command("demo", users=5, stdout=out)
    said = out.getvalue()
    for role in ROLES:
        user = User.objects.get(role=role)
        [line] = [line for line in said.splitlines() if line.strip().startswith(user.username)]
        password = line.split()[1]
        assert check_password(password, user.password)
        assert said.count(password) == 1
        assert password not in caplog.text


@pytest.mark.django_db
def test_demo_command_with_nobody_is_refused(quick):
    with pytest.raises(CommandError, match="1 or more"):
        call_command("demo", users=0)
