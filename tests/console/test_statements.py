"""Statements that are put together once."""

from threading import Thread

import pytest
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Lower

from audit.targets import among, array
from coai_admin.console.statements import statement
from tests.factories import make_user, make_users
from users.models import User

pytestmark = pytest.mark.django_db


def named(ids, name):
    people = User.objects.filter(among("pk", ids)).alias(_name=Lower("username"))
    return people.exclude(_name=Lower(name)).order_by("pk").select_related("account")


def test_rows_are_those_of_the_queryset_for_each_value():
    ids = make_users(4)
    read = statement(named)
    for some, name in ((ids[:3], "nobody"), (ids[1:], User.objects.get(pk=ids[2]).username)):
        expected = list(named(some, Value(name)))
        assert read(array(some), name) == expected
        assert [each.account for each in expected] == [
            each.account for each in read(array(some), name)
        ]


def test_values_are_read_as_the_queryset_reads_them():
    user = make_user()

    @statement
    def facts(user_id):
        return User.objects.filter(pk=user_id).values_list("username", "joined_at", "scope")

    @statement
    def names(user_id):
        return User.objects.filter(pk=user_id).values_list("username", flat=True)

    assert facts(user.pk) == [(user.username, user.joined_at, user.scope)]
    assert names(user.pk) == [user.username]
    assert names(0) == []


def test_function_is_called_once_and_each_read_is_one_statement(django_assert_num_queries):
    calls = []

    @statement
    def everybody(user_id):
        calls.append(user_id)
        return User.objects.filter(pk__gt=user_id)

    with django_assert_num_queries(3):
        for number in range(3):
            everybody(number)
    assert len(calls) == 1


def test_value_stays_a_value():
    user = make_user()
    read = statement(lambda name: User.objects.filter(username=name))
    assert read("' OR true --") == []
    assert read(user.username) == [user]


@pytest.mark.django_db(transaction=True)
def test_each_thread_reads_by_its_own_connection():
    user = make_user()
    read = statement(lambda user_id: User.objects.filter(pk=user_id))
    found = [read(user.pk)]

    def elsewhere():
        found.append(read(user.pk))
        connection.close()

    thread = Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [[user], [user]]
