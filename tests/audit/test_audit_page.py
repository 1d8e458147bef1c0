"""The audit log in the console: what can be asked of it, and who may read how much."""

import ast
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import record
from audit.actions import Kind
from audit.listing import ENTRIES
from audit.models import Act, AuditEntry, AuditPersonal
from audit.people import SYSTEM
from audit.registry import actions, operation_of
from coai_admin.console import circumstances
from tests.factories import make_staff, make_user
from users.restrictions import services
from users.roles import ROLES, Role

RECORDERS = {"entry", "_record", "_save", "edit", "edit_row", "add", "_turn", "_decide", "Ending"}
CODE = re.compile(r"[a-z_]+\.[a-z_]+")
pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)
IP = "198.51.100.23"


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def as_role(role):
    return signed_in(make_staff(role))


def listed(client, query=""):
    """The entries on the page, by id, in order."""
    response = client.get(f"{reverse('audit')}?{query}")
    assert response.status_code == 200, response.content.decode()
    return [int(pk) for pk in re.findall(r'id="entry-(\d+)"', response.content.decode())]


def write(action="users.reveal", *, actor=SYSTEM, minutes=0, **more):
    """An entry; a higher number of ``minutes`` is older."""
    return record.entry(action, actor=actor, now=time_now() - timedelta(minutes=minutes), **more)


def suspend(*users, actor=SYSTEM, **more):
    more.setdefault("reason", "because")
    ids = [user.pk for user in users]
    return services.suspend(ids, actor=actor, reason_code="spam", ends_at=END, **more)


# The list


def test_entries_are_listed_newest_first_with_before_and_after():
    old, new = write(minutes=5), write(minutes=1)
    ann, bob = make_staff(username="ann"), make_user("bob")
    suspend(bob, actor=ann, reason="spam wave", ticket="T-9")
    client = as_role(Role.SUPER_ADMIN)
    latest = AuditEntry.objects.get(action="users.suspend").pk
    assert listed(client) == [latest, new, old]
    html = client.get(reverse("audit")).content.decode()
    for words in ("Spam until 1 Jan 2030, 00:00 UTC", "spam wave", "T-9", ">ann<", ">bob<"):
        assert words in html
    assert reverse("user", args=[bob.pk]) in html
    assert reverse("user", args=[ann.pk]) in html


def test_an_entry_of_a_large_act_says_how_many_more_and_leads_to_the_act():
    act = suspend(make_user(), make_user(), make_user()).act_id
    html = as_role(Role.SUPER_ADMIN).get(reverse("audit")).content.decode()
    assert html.count("+2") == 3
    assert reverse("operate:act", args=[act]) in html


def test_an_undo_is_called_one():
    from audit import operations
    from audit.registry import operations as registered

    actor = make_staff(Role.SUPER_ADMIN)
    act = Act.objects.get(pk=suspend(make_user(), actor=actor).act_id)
    suspension = registered()["users.suspend"]
    operations.undo(suspension, act, actor=actor, now=time_now(), reason="mistake")
    assert as_role(Role.SUPER_ADMIN).get(reverse("audit")).content.decode().count("Undone:") == 1


@pytest.fixture
def story():
    """Five entries that differ in everything that can be asked for."""
    ann, bob = make_staff(username="ann"), make_user("bob")
    made = {"ann": ann, "bob": bob}
    with circumstances.under("request-0001", IP):
        made["reveal"] = write(
            actor=ann, minutes=1, target=("user", bob.pk, "bob"), reason="Call back", ticket="T-1"
        )
    made["sign_in"] = write("account.sign_in", actor=ann, minutes=2, target=("user", ann.pk, "ann"))
    made["import"] = write("imports.coai", minutes=3, target=("import", 3, "chatnio.db"))
    made["old"] = write(minutes=60 * 24 * 30, reason="long ago")
    made["act"] = suspend(bob, actor=ann, reason="spam wave").act_id
    made["suspension"] = AuditEntry.objects.get(action="users.suspend").pk
    return made


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("action=users.reveal", {"reveal", "old"}),
        ("action=users.reveal&action=account.sign_in", {"reveal", "old", "sign_in"}),
        ("kind=change", {"suspension"}),
        ("kind=read", {"reveal", "old"}),
        ("kind=access", {"sign_in"}),
        ("kind=system", {"import"}),
        ("actor=ann", {"reveal", "sign_in", "suspension"}),
        ("actor=ANN", {"reveal", "sign_in", "suspension"}),
        ("actor=system", {"import", "old"}),
        ("actor={ann}", {"reveal", "sign_in", "suspension"}),
        ("target=bob", {"reveal", "suspension"}),
        ("target={bob}", {"reveal", "suspension"}),
        ("target=import:3", {"import"}),
        ("target=import:4", set()),
        ("actor=ann&target=bob&kind=read", {"reveal"}),
        ("reason=call", {"reveal"}),
        ("reason=%25", set()),
        ("ticket=T-1", {"reveal"}),
        ("act={act}", {"suspension"}),
        ("request=request-0001", {"reveal"}),
        ("since={today}", {"reveal", "sign_in", "import", "suspension"}),
        ("until={yesterday}", {"old"}),
        ("actor=987654321", set()),
    ],
)
def test_filters_find_what_they_name(story, query, expected):
    moment = time_now()
    query = query.format(
        ann=story["ann"].pk,
        bob=story["bob"].pk,
        act=story["act"],
        today=f"{moment - timedelta(hours=1):%Y-%m-%d}",
        yesterday=f"{moment - timedelta(days=2):%Y-%m-%d}",
    )
    assert set(listed(as_role(Role.SUPER_ADMIN), query)) == {story[name] for name in expected}


@pytest.mark.parametrize("kind", Kind.values)
def test_kind_finds_every_word_of_it_and_no_other(kind):
    made = {write(code): action.kind for code, action in actions().items()}
    reading = ENTRIES.read(
        QueryDict(f"kind={kind}"), viewer=make_staff(Role.SUPER_ADMIN), now=time_now()
    )
    assert set(reading.ids()) == {entry for entry, its in made.items() if its == kind}


def test_what_changed_something_without_an_operation_is_among_the_changes():
    changed = {write(code) for code in ("users.create", "users.edit_shared_view")}
    write("account.sign_in")
    assert set(listed(as_role(Role.SUPER_ADMIN), "kind=change")) == changed


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("action=no.such", "no.such"),
        ("kind=weather", "weather"),
        ("actor=nobody-here", "nobody-here"),
        ("target=nobody-here", "nobody-here"),
        ("act=not-a-uuid", "act"),
        ("since=2026-13-01", "since"),
        ("until=yesterday", "until"),
        ("colour=red", "colour"),
        ("sort=reason", "reason"),
        ("sort=-nothing", "nothing"),
        ("after=xyz", "after"),
        ("actor=ann&actor=bob", "actor"),
    ],
)
def test_a_wrong_word_is_a_400_that_names_it(story, query, word):
    response = as_role(Role.SUPER_ADMIN).get(f"{reverse('audit')}?{query}")
    assert response.status_code == 400
    assert word in response.content.decode()


def test_a_wrong_name_is_asked_for_again_in_the_form_it_was_typed_into(story):
    page = f"{reverse('audit')}?actor=nobody-here&ticket=SUP-1"
    html = as_role(Role.SUPER_ADMIN).get(page).content.decode()
    assert 'value="nobody-here"' in html
    assert 'value="SUP-1"' in html
    assert 'id="id_actor_error"' in html
    assert "Nothing was looked for" in html


def test_what_was_typed_is_kept_in_the_form_and_shown_as_chips(story):
    html = as_role(Role.SUPER_ADMIN).get(f"{reverse('audit')}?actor=ann&kind=read").content.decode()
    assert re.search(r'name="actor"[^>]*value="ann"|value="ann"[^>]*name="actor"', html)
    assert '<option value="read" selected>' in html
    assert '<span class="key">Done by</span><b><bdi>ann</bdi></b>' in html


def test_pages_walk_through_everything_once_in_both_orders():
    made = [write(minutes=number // 3) for number in range(117)]  # three share each moment
    client = as_role(Role.SUPER_ADMIN)
    for sort in ("", "sort=created"):
        seen, query = [], sort
        while query is not None:
            html = client.get(f"{reverse('audit')}?{query}").content.decode()
            seen += [int(pk) for pk in re.findall(r'id="entry-(\d+)"', html)]
            following = re.search(r'rel="next" href="\?([^"]+)"', html)
            query = following[1].replace("&amp;", "&") if following else None
        assert len(seen) == 117
        assert set(seen) == set(made)
        moments = dict(AuditEntry.objects.values_list("pk", "created_at"))
        expected = sorted(made, key=lambda pk: (moments[pk], pk), reverse=not sort)
        assert seen == expected


@pytest.mark.parametrize("query", ["", "actor=ann"])
def test_an_empty_log_says_so(query):
    make_user("ann")
    html = as_role(Role.SUPER_ADMIN).get(f"{reverse('audit')}?{query}").content.decode()
    assert ("No entry matches" if query else "Nothing was recorded yet") in html


def test_the_number_of_statements_is_known(django_assert_num_queries):
    client = as_role(Role.SUPER_ADMIN)
    suspend(make_user())
    listed(client)
    with django_assert_num_queries(7):
        assert len(listed(client)) == 1
    suspend(make_user(), make_user())
    with django_assert_num_queries(7):
        assert len(listed(client)) == 3


# Who reads how much


def test_support_reads_only_its_own_entries(story):
    support = make_staff(Role.SUPPORT, username="sue")
    own = write(actor=support, target=("user", story["bob"].pk, "bob"), reason="mine")
    client = signed_in(support)
    by_act = f"act={story['act']}"
    for query in ("", "actor=ann", "actor=system", "kind=read", by_act, "target=bob"):
        assert set(listed(client, query)) <= {own}
    html = client.get(reverse("audit")).content.decode()
    assert "spam wave" not in html
    assert "Call back" not in html
    assert "<b>1</b>" in html


def test_an_entry_of_others_does_not_exist_for_support(story):
    response = as_role(Role.SUPPORT).get(reverse("audit_entry", args=[story["suspension"]]))
    assert response.status_code == 404
    assert "spam wave" not in response.content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_addresses_are_whole_only_for_who_sees_personal_data(role):
    viewer = make_staff(role)
    with circumstances.under("request-0002", IP):
        entry = write(
            actor=viewer,
            target=("user", viewer.pk, viewer.username),
            changes={"page": "statement"},
            personal={"email": ["old@mail.example", "new@mail.example"], "phone": [1, 2]},
        )
    client = signed_in(viewer)
    whole = role in (Role.SUPER_ADMIN, Role.USER_ADMIN)
    for url in (reverse("audit"), reverse("audit_entry", args=[entry])):
        html = client.get(url).content.decode()
        assert ("new@mail.example" in html) is whole
        assert ("n•••@m•••.example" in html) is not whole
        assert "statement" in html
    assert (IP in html) is whole
    assert ("198.51.•••" in html) is not whole


def test_a_person_without_a_role_reads_nothing(story):
    client = signed_in(make_user())
    assert client.get(reverse("audit")).status_code == 403
    assert client.get(reverse("audit_entry", args=[story["reveal"]])).status_code == 403


def test_reading_writes_nothing(story):
    client = as_role(Role.SUPER_ADMIN)
    before = AuditEntry.objects.count()
    listed(client)
    client.get(reverse("audit_entry", args=[story["reveal"]]))
    assert AuditEntry.objects.count() == before
    assert client.post(reverse("audit")).status_code == 405


# One entry


def test_an_entry_tells_everything_it_recorded(story):
    client = as_role(Role.SUPER_ADMIN)
    html = client.get(reverse("audit_entry", args=[story["reveal"]])).content.decode()
    for words in ("users.reveal", "Call back", "T-1", "request-0001", IP, ">ann<", ">bob<"):
        assert words in html
    html = client.get(reverse("audit_entry", args=[story["suspension"]])).content.decode()
    assert str(story["act"]) in html
    assert reverse("operate:act", args=[story["act"]]) in html
    assert "Spam until 1 Jan 2030, 00:00 UTC" in html


def test_an_entry_that_does_not_exist_is_a_page_that_says_so():
    response = as_role(Role.SUPER_ADMIN).get(reverse("audit_entry", args=[987_654_321]))
    assert response.status_code == 404
    assert "There is no entry 987654321" in response.content.decode()


def test_entries_outlive_the_personal_data_of_the_erased(story):
    AuditPersonal.objects.filter(entry_id=story["suspension"]).delete()
    client = as_role(Role.SUPER_ADMIN)
    assert story["suspension"] in listed(client)
    html = client.get(reverse("audit_entry", args=[story["suspension"]])).content.decode()
    assert f">{story['bob'].pk}<" in html
    assert ">bob<" not in html


def test_what_was_typed_is_escaped():
    entry = write(
        reason="<script>alert(1)</script>",
        target=("user", 1, "<b>x</b>"),
        changes={"<i>field": ["<u>before", "<u>after"]},
    )
    client = as_role(Role.SUPER_ADMIN)
    for url in (reverse("audit"), reverse("audit_entry", args=[entry])):
        html = client.get(url).content.decode()
        for bad in ("<script>alert", "<b>x", "<i>field", "<u>"):
            assert bad not in html


# The words of the log


def test_every_recorded_action_has_its_words():
    """A code that is written but not declared could not be filtered by; one that is only declared
    finds nothing."""
    recorded = set()
    for app in ("users", "subscriptions", "billing", "audit"):
        for path in (Path(settings.BASE_DIR) / app).rglob("*.py"):
            recorded |= _recorded(path)
    acts = {code for code in actions() if operation_of(code)}
    assert recorded - acts == set(actions()) - acts


def _recorded(path):
    """The codes given in a module to ``record.entry`` and to what calls it, as text or as a
    constant of the module."""
    tree = ast.parse(path.read_text())
    constants = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            constants |= _pairs(node.targets[0], node.value)
    found = set()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if getattr(call.func, "attr", getattr(call.func, "id", "")) in RECORDERS:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            named = [constants.get(one.id) if isinstance(one, ast.Name) else one for one in given]
            found |= {one.value for one in named if isinstance(one, ast.Constant)}
    return {code for code in found if isinstance(code, str) and CODE.fullmatch(code)}


def _pairs(target, value):
    if isinstance(target, ast.Name):
        return {target.id: value}
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=True)
        return {name.id: one for name, one in pairs if isinstance(name, ast.Name)}
    return {}


def test_unknown_codes_are_shown_as_they_are():
    entry = write("future.action")
    client = as_role(Role.SUPER_ADMIN)
    assert entry in listed(client)
    assert "future.action" in client.get(reverse("audit")).content.decode()


def test_the_operation_id_of_nothing_finds_nothing(story):
    assert listed(as_role(Role.SUPER_ADMIN), f"act={uuid.uuid4()}") == []


def test_addresses_that_name_a_target_are_masked_as_all_others_are():
    target = ("invitation", 7, "silvana@example.com")
    entry = write("users.invite", target=target, personal={"email": "silvana@example.com"})
    for address in (reverse("audit"), reverse("audit_entry", args=[entry]), "/api/v1/audit/"):
        masked = as_role(Role.READ_ONLY).get(address).content.decode()
        assert "silvana" not in masked, address
        assert "s•••@e•••.com" in masked, address
        assert "silvana@example.com" in as_role(Role.USER_ADMIN).get(address).content.decode()
