"""What a hostile colleague sent to the console once, and got a 5xx or somebody misled by it."""

import base64
import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import operations, record
from audit.execution import AlreadyPerformed
from audit.models import Act, AuditEntry, AuditPersonal, Receipt, Selection
from billing.operations import ADJUST_CREDITS
from tests.factories import make_key, make_session, make_staff, make_user
from users.models import Session
from users.restrictions.operations import LIFT_RESTRICTION, SUSPEND
from users.roles import Role

pytestmark = pytest.mark.django_db

LIST = reverse("users:list")
SELECT = reverse("users:select")
EXPORT = reverse("users:export")


def as_role(role=Role.SUPER_ADMIN):
    client = Client()
    client.force_login(make_staff(role))
    return client


def cursor(*parts):
    text = json.dumps(parts).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


@pytest.mark.parametrize("name", ["shown", "pick"])
def test_id_of_thousands_of_digits_is_refused(name):
    assert as_role().post(SELECT, {name: "9" * 5_000}).status_code == 400


def test_half_a_character_in_a_cursor_is_refused():
    place = cursor("username", 0, "\ud800", 5)
    assert as_role().get(LIST, {"sort": "username", "after": place}).status_code == 400


@pytest.mark.parametrize("offset", ["+23:59", "-23:59", "+00:00:30.5"])
def test_offset_unknown_to_the_database_is_a_moment_like_any_other(offset):
    place = cursor("joined", 0, f"2026-01-01T00:00:00{offset}", 5)
    assert as_role().get(LIST, {"sort": "joined", "after": place}).status_code == 200


def test_moment_before_all_time_is_refused():
    place = cursor("joined", 0, "0001-01-01T00:00:00+14:00", 5)
    assert as_role().get(LIST, {"sort": "joined", "after": place}).status_code == 400


@pytest.mark.parametrize("number", ["0e999999999999999", "1e3", "１２", "1_0", "-0", "NaN"])
@pytest.mark.parametrize("name", ["credits_min", "used_max", "months_min"])
def test_number_is_plain_digits_in_a_filter_too(name, number):
    assert as_role().get(LIST, {name: number}).status_code == 400


def test_menu_opened_from_no_address_is_a_menu():
    address = reverse("operate:menu", args=[make_user().pk])
    headers = {"HX-Request": "true", "HX-Current-URL": "http://["}
    assert as_role().get(address, headers=headers).status_code == 200


def test_row_beside_a_lost_selection_is_drawn():
    client, user, now = as_role(), make_user(), time_now()
    lost = Selection.objects.create(
        owner=make_staff(), ids=[user.pk], created_at=now, expires_at=now + timedelta(hours=1)
    )
    for selection in (lost.pk, uuid.uuid4()):
        address = reverse("users:row", args=[user.pk])
        response = client.get(address, {"selection": str(selection)})
        assert response.status_code == 200
        assert "checked" not in response.content.decode()


def test_export_of_nobody_is_a_file_with_headers_only():
    client = as_role(Role.READ_ONLY)
    response = client.post(f"{EXPORT}?username=nobody-is-called-so")
    assert b"".join(response.streaming_content).count(b"\n") == 1
    entry = AuditEntry.objects.filter(action="exports.users").latest("id")
    assert entry.changes == {"export": entry.changes["export"], "rows": 0, "complete": True}


def test_both_entries_of_an_export_know_the_request_and_the_address():
    response = as_role().post(EXPORT, headers={"X-Request-ID": "export-1234"})
    b"".join(response.streaming_content)
    entries = AuditEntry.objects.filter(action="exports.users")
    assert [entry.request_id for entry in entries] == ["export-1234"] * 2
    addresses = AuditPersonal.objects.filter(entry__in=entries).values_list("ip", flat=True)
    assert list(addresses) == ["127.0.0.1"] * 2


def test_somebody_called_like_a_number_hides_nobody_in_the_audit_log():
    client, actor = as_role(), make_staff(Role.SUPER_ADMIN)
    entry = record.entry("users.reveal", actor=actor, now=time_now())
    make_user(str(actor.pk))
    make_user(f"#{actor.pk}")
    page = client.get(reverse("audit_entry", args=[entry])).content.decode()
    assert f"?actor=%23{actor.pk}" in page
    found = client.get(reverse("audit"), {"actor": f"#{actor.pk}"})
    assert f'id="entry-{entry}"' in found.content.decode()


def test_who_sees_no_roles_is_not_told_by_a_link():
    page = reverse("user", args=[make_staff(Role.SUPER_ADMIN).pk])
    assert "?actor=" in as_role().get(page, {"tab": "audit"}).content.decode()
    assert "?actor=" not in as_role(Role.SUPPORT).get(page, {"tab": "audit"}).content.decode()


def test_lift_is_not_undone_when_the_suspension_would_be_over():
    user, actor, now = make_user(), make_staff(Role.SUPER_ADMIN), time_now()
    params = {"reason_code": "spam", "ends_at": now + timedelta(hours=1)}
    performed = {"actor": actor, "reason": "test"}
    operations.perform(SUSPEND, [user.pk], params, now=now, **performed)
    params = {"kind": "suspension", "reason_code": ""}
    lifted = operations.perform(
        LIFT_RESTRICTION, [user.pk], params, now=now + timedelta(minutes=1), **performed
    )
    session, key = make_session(user), make_key(user)
    act = Act.objects.get(pk=lifted.act_id)
    undone = operations.undo(LIFT_RESTRICTION, act, now=now + timedelta(hours=1), **performed)
    assert [row.outcome for row in undone.rows] == [Receipt.Outcome.REFUSED]
    key.refresh_from_db()
    assert key.revoked_at is None
    assert Session.objects.filter(pk=session.pk).exists()


def test_form_taken_from_the_history_previews_a_new_act():
    client, user = as_role(), make_user()
    address = reverse("operate:one", args=[user.pk, ADJUST_CREDITS.code])
    form = {"delta": "5", "reason": "test", "act": str(uuid.uuid4())}

    def send(form):
        attempt = client.post(address, {**form, "step": "preview"}).context["attempt"]
        sent = {**form, "act": str(attempt.act_id), "previewed": attempt.fingerprint}
        return client.post(address, {**sent, "step": "confirm"})

    for delta in ("5", "7"):
        assert send({**form, "delta": delta}).url == reverse("user", args=[user.pk])
    user.account.refresh_from_db()
    assert user.account.balance == 12


@pytest.mark.django_db(transaction=True)
def test_same_act_sent_by_two_people_at_the_same_moment_is_done_once():
    actor, user, act_id = make_staff(Role.SUPER_ADMIN), make_user(), uuid.uuid4()
    written, go_on = threading.Event(), threading.Event()

    def other():
        try:
            with transaction.atomic():
                Act.objects.create(id=act_id, code=ADJUST_CREDITS.code, actor_name="other")
                written.set()
                go_on.wait(1)
        finally:
            connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    written.wait(10)
    with pytest.raises(AlreadyPerformed):
        operations.perform(
            ADJUST_CREDITS,
            [user.pk],
            {"delta": 5},
            actor=actor,
            now=time_now(),
            reason="test",
            act_id=act_id,
        )
    thread.join()
    user.account.refresh_from_db()
    assert user.account.balance == 0
