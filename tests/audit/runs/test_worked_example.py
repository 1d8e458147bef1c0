"""The worked example of docs/architecture.md is an operation: its very lines are previewed, run and
undone here, on one user and on many."""

import re
from types import ModuleType

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils.timezone import now

from audit.models import Act, Run
from audit.registry import operations
from audit.runs import drafting
from tests.audit.runs.prepared import confirmed, finished, worked
from tests.clients import step_up
from tests.factories import make_staff, make_user, make_users
from users import roles
from users.models import User
from users.roles import Role, Row

pytestmark = pytest.mark.django_db

CODE = "users.set_locale"


@pytest.fixture
def example(monkeypatch):
    """The operation of the document, registered, with the row of the matrix that is given there."""
    text = (settings.BASE_DIR / "docs/architecture.md").read_text()
    [lines] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    [row] = re.findall(rf'`(Row\("{CODE}".*?\))`', text)
    module = ModuleType("worked_example")
    exec(compile(lines, "docs/architecture.md", "exec"), module.__dict__)
    monkeypatch.setitem(operations(), CODE, module.SET_LOCALE)
    monkeypatch.setitem(roles.ROWS, CODE, eval(row, {"Row": Row}))
    roles.permissions.cache_clear()
    yield module
    monkeypatch.undo()
    roles.permissions.cache_clear()


def languages(ids):
    return list(User.objects.filter(pk__in=ids).order_by("pk").values_list("locale", flat=True))


def test_example_is_done_to_one_user_on_its_page(example, client):
    ana = make_user("ana", locale="en")
    client.force_login(make_staff(Role.SUPPORT))
    step_up(client)
    page = reverse("operate:one", args=[ana.pk, CODE])
    assert "Set language" in client.get(page).content.decode()
    filled_in = {"locale": "pt", "reason": "asked"}
    attempt = client.post(page, filled_in | {"step": "preview"}).context["attempt"]
    sent = {"step": "confirm", "act": attempt.act_id, "previewed": attempt.fingerprint}
    client.post(page, filled_in | sent)
    assert languages([ana.pk]) == ["pt"]


def test_example_is_run_on_many_and_undone_where_nothing_changed_since(example):
    ids = make_users(4)
    User.objects.filter(pk__in=ids).update(locale="en")
    User.objects.filter(pk=ids[0]).update(locale="pt")
    run = finished(ids, code=CODE, data={"locale": ["pt"]})
    assert (run.state, run.changed, run.unchanged) == (Run.State.DONE, 3, 1)
    assert languages(ids) == ["pt"] * 4

    User.objects.filter(pk=ids[1]).update(locale="de")
    undo = worked(drafting.draft_undo(Act.objects.get(pk=run.pk), actor=run.owner, now=now()))
    assert undo.refusals == {"The language was changed since.": 1}
    confirmed(undo, reason="a mistake")
    worked(undo)
    assert languages(ids) == ["pt", "de", "en", "en"]


def test_example_writes_once_for_many(example, django_assert_num_queries):
    ids = make_users(3)
    rows = example._load(ids, lock=False, params={})
    changes = [(row, example._decide(row, {"locale": "fr"}, now())) for row in rows]
    with django_assert_num_queries(1):
        example._write(changes, None)
    assert languages(ids) == ["fr"] * 3
