"""People sign in with the passwords they had; a background job makes these as strong as ours."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password

from audit import outbox
from audit.models import OutboxMessage
from tests.users.conftest import Visitor
from tests.users.imports.deployments import NOW, run, sha256
from users.import_models import ImportRun
from users.imports import passwords
from users.models import User

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(days=7)


@pytest.fixture(autouse=True)
def light_argon2(monkeypatch):
    """Argon2 with little work: how strong it is, is not the question here."""
    for name, value in {"time_cost": 1, "memory_cost": 64, "parallelism": 1}.items():
        monkeypatch.setattr(Argon2PasswordHasher, name, value)


def ana():
    return User.objects.get(legacy_id=1)


def deliver(now=NOW):
    outbox.deliver(now=now)


def test_password_signs_in_at_once_and_after_it_was_wrapped(deployment, quick_hashes):
    deployment.person(1, "ana", password="old pass 1")
    report = run(deployment)
    assert report["passwords"] == {"stored": 1, "wrapped": 0}
    visitor = Visitor()
    visitor.sign_in("ana", "old pass 1")
    assert visitor.is_in()
    User.objects.update(password=passwords_of(deployment))
    deliver()
    assert ana().password.startswith("import_argon2$")
    assert passwords.how_many("coai") == {"stored": 1, "wrapped": 1}
    visitor = Visitor()
    visitor.sign_in("ana", " old pass 1 ")
    assert visitor.is_in()
    assert ana().password.startswith("argon2$")


def passwords_of(deployment):
    from users.passwords.hashers import from_coai

    return from_coai(sha256("old pass 1"))


def test_person_who_was_renamed_signs_in_by_the_exact_old_name(deployment, quick_hashes):
    deployment.person(1, "ana", password="first-1")
    deployment.person(2, "ANA", password="second-2")
    run(deployment)
    visitor = Visitor()
    visitor.sign_in("ANA", "second-2")
    assert visitor.is_in()
    visitor = Visitor()
    visitor.sign_in("ana", "first-1")
    assert visitor.is_in()


def test_staff_sign_in_only_once_their_password_is_wrapped(deployment, quick_hashes):
    deployment.person(1, "ana", password="old pass 1", is_admin=1)
    run(deployment, map_admins="support")
    visitor = Visitor()
    visitor.sign_in("ana", "old pass 1")
    assert not visitor.is_in()
    deliver()
    visitor = Visitor()
    visitor.sign_in("ana", "old pass 1")
    assert visitor.is_in()


def test_root_cannot_sign_in_with_the_default_password(deployment, quick_hashes):
    deployment.person(1, "root", password="chatnio123456")
    run(deployment)
    visitor = Visitor()
    visitor.sign_in("root", "chatnio123456")
    assert not visitor.is_in()
    assert not ana().has_usable_password()


def test_wrapping_goes_on_until_nothing_is_left(deployment, quick_hashes, monkeypatch):
    monkeypatch.setattr(passwords, "_AT_ONCE", 2)
    for pk in range(1, 6):
        deployment.person(pk, f"u{pk}", is_admin=pk == 5)
    run(deployment, map_admins="support")
    monkeypatch.setattr(passwords, "send_for_wrapping", lambda *, now: None)
    passwords.wrap_next(now=NOW)
    wrapped = User.objects.filter(password__startswith="import_argon2$")
    assert wrapped.filter(role="support").count() == 1
    assert wrapped.count() == 2
    monkeypatch.undo()
    deliver()
    assert wrapped.count() == 5
    assert not OutboxMessage.objects.filter(delivered_at__isnull=True).exists()


def test_wrapping_leaves_a_password_that_changed_meanwhile(deployment, quick_hashes, monkeypatch):
    deployment.person(1, "ana")
    run(deployment)
    wrap = passwords.wrap

    def wrap_late(encoded):
        User.objects.update(password="argon2$chosen-meanwhile")
        return wrap(encoded)

    monkeypatch.setattr(passwords, "ThreadPoolExecutor", Here)
    monkeypatch.setattr(passwords, "wrap", wrap_late)
    passwords.wrap_next(now=NOW)
    assert ana().password == "argon2$chosen-meanwhile"


class Here:
    """Threads of the test's own thread, so that they share its transaction."""

    def __init__(self, workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    map = staticmethod(map)


def test_wrapped_password_changed_at_the_source_is_noticed(deployment, quick_hashes):
    for pk in range(1, 30):
        deployment.person(pk, f"u{pk}", password=f"first-{pk}")
    run(deployment)
    deliver()
    unchanged = User.objects.get(legacy_id=2).password
    deployment.execute("UPDATE auth SET password = ? WHERE id = 1", [sha256("second-1")])
    report = run(deployment, now=LATER)
    assert report["people"] == {"new": 0, "changed": 1, "unchanged": 28}
    assert check_password("second-1", ana().password)
    assert not check_password("first-1", ana().password)
    assert User.objects.get(legacy_id=2).password == unchanged
    assert report["passwords"] == {"stored": 29, "wrapped": 28}
    deliver(LATER)
    assert run(deployment, now=LATER)["people"]["unchanged"] == 29


def test_marks_tell_nothing_that_one_password_could_be_tried_against(deployment):
    for pk in range(1, 40):
        deployment.person(pk, f"u{pk}", password=f"first-{pk}")
    run(deployment)
    marks = ImportRun.objects.get().password_marks
    assert len(marks) == 3
    alone = {
        passwords.marks([(pk, sha256(f"first-{pk}"))], 3)[passwords.bucket_of(pk, 3)]
        for pk in range(1, 40)
    }
    assert alone.isdisjoint(marks)
