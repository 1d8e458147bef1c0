"""Staff notes: written, shown to colleagues, withdrawn."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from audit import operations
from audit.models import Act, AuditEntry
from audit.people import SYSTEM
from tests.factories import make_staff, make_user, make_users
from users.models import Note
from users.profile.operations import ADD_NOTE
from users.profile.services import add_note
from users.roles import Role

pytestmark = pytest.mark.django_db


def test_note_has_author_moment_and_act():
    [user], author, moment = make_users(1), make_staff(Role.SUPPORT), now()
    receipts = add_note([user], actor=author, text="Called.", now=moment)
    note = Note.objects.get()
    assert (note.user_id, note.author, note.text) == (user, author, "Called.")
    assert (note.created_at, note.act_id, note.withdrawn_at) == (moment, receipts.act_id, None)


def test_note_text_stands_in_no_audit_entry():
    receipts = add_note(make_users(1), actor=SYSTEM, text="Has an ill mother.")
    entry = AuditEntry.objects.get(act_id=receipts.act_id)
    assert entry.changes == {"notes": [0, 1]}
    assert entry.personal.changes is None


def test_note_undone_is_withdrawn_and_kept_for_the_record():
    receipts = add_note(make_users(1), actor=SYSTEM, text="Wrong user.")
    act, boss = Act.objects.get(pk=receipts.act_id), make_staff(Role.SUPER_ADMIN)
    operations.undo(ADD_NOTE, act, actor=boss, now=now(), reason="undo")
    assert Note.objects.get().withdrawn_at is not None


def test_note_needs_no_reason_beside_itself():
    user, client = make_user(), Client()
    client.force_login(make_staff(Role.SUPPORT))
    url = reverse("operate:one", args=[user.pk, "users.add_note"])
    page = client.post(url, {"text": "Called.", "step": "preview"})
    attempt = page.context["attempt"]
    sent = {"text": "Called.", "step": "confirm", "act": attempt.act_id}
    client.post(url, sent | {"previewed": attempt.fingerprint})
    assert Note.objects.get().text == "Called."
