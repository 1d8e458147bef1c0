"""Messages leave the outbox if, and only if, their transaction committed; at least once, and until
they succeed."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from audit import outbox
from audit.models import OutboxMessage
from tests.factories import NOON

heard = []


def hear(*, word, now):
    heard.append(word)


def fail(*, word, now):
    OutboxMessage.objects.create(kind="test.hear", payload={"word": "half done"})
    raise ValueError(word)


@pytest.fixture(autouse=True)
def handlers(settings):
    settings.OUTBOX_HANDLERS = {
        "test.hear": "tests.audit.test_outbox.hear",
        "test.fail": "tests.audit.test_outbox.fail",
    }
    heard.clear()


@pytest.mark.django_db
def test_message_is_handed_over_once():
    outbox.send("test.hear", {"word": "one"}, now=NOON)
    assert outbox.deliver(now=NOON) == 1
    assert outbox.deliver(now=NOON) == 0
    assert heard == ["one"]


@pytest.mark.django_db
def test_message_of_an_unknown_kind_is_refused():
    with pytest.raises(KeyError):
        outbox.send("test.nobody", {}, now=NOON)


@pytest.mark.django_db(transaction=True)
def test_message_outside_a_transaction_is_refused():
    with pytest.raises(RuntimeError, match="in the transaction"):
        outbox.send("test.hear", {"word": "lost"}, now=NOON)


@pytest.mark.django_db(transaction=True)
def test_message_of_a_rolled_back_transaction_is_never_delivered():
    with transaction.atomic():
        outbox.send("test.hear", {"word": "undone"}, now=NOON)
        transaction.set_rollback(True)
    assert outbox.deliver(now=NOON) == 0
    assert heard == []


@pytest.mark.django_db
def test_message_that_fails_waits_longer_each_time_and_spares_the_others():
    outbox.send("test.fail", {"word": "boom"}, now=NOON)
    outbox.send("test.hear", {"word": "after"}, now=NOON)
    assert outbox.deliver(now=NOON) == 1
    assert heard == ["after"]
    failed = OutboxMessage.objects.get(kind="test.fail")
    assert failed.attempts == 1
    assert "ValueError: boom" in failed.last_error
    first_wait = failed.due_at - NOON
    outbox.deliver(now=failed.due_at)
    failed.refresh_from_db()
    assert failed.attempts == 2
    assert failed.due_at - (NOON + first_wait) > first_wait
    assert not OutboxMessage.objects.filter(payload={"word": "half done"}).exists()


@pytest.mark.django_db(transaction=True)
def test_message_held_by_one_worker_is_skipped_by_another():
    with transaction.atomic():
        outbox.send("test.hear", {"word": "held"}, now=NOON)
    delivered = []

    def other_worker():
        delivered.append(outbox.deliver(now=NOON + timedelta(seconds=1)))
        connection.close()

    with transaction.atomic():
        OutboxMessage.objects.select_for_update().get()
        worker = threading.Thread(target=other_worker)
        worker.start()
        worker.join(10)
    assert delivered == [0]
    assert outbox.deliver(now=NOON + timedelta(seconds=1)) == 1
