"""The pages of an import: from choosing a file to its result, and what each of them refuses."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from audit.models import Act, AuditEntry, Run, Selection
from audit.people import SYSTEM
from audit.runs import drafting, steering
from audit.runs import working as runs
from bench.hostile import book
from subscriptions.services import set_tier
from tests import checksum
from tests.clients import step_down
from tests.factories import make_staff, make_user, make_users
from tests.users.uploads.files import imported, mapped, tried, uploaded
from users.models import Upload, User
from users.profile.services import close
from users.roles import Role
from users.uploads import results, working

pytestmark = pytest.mark.django_db
LIST = "/admin/users/import/"
CHOICES = {"match": "username", "mode": "both", "decimal": "point"}


@pytest.fixture
def owner(client):
    person = make_staff(Role.USER_ADMIN)
    client.force_login(person)
    return person


def page_of(upload):
    return f"{LIST}{upload.pk}/"


def send(client, text, name="users.csv"):
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(LIST, {"file": SimpleUploadedFile(name, content)})


def worked():
    while working.work() or runs.work():
        pass


def test_way_from_a_file_to_its_users(client, owner):
    answer = send(client, "Username,Country,Nonsense\nnew1,DE,x\nnew2,Nowhere,x\n")
    upload = Upload.objects.get()
    assert answer.headers["Location"] == page_of(upload)
    shown = client.get(page_of(upload)).content.decode()
    assert "Nonsense" in shown
    assert "new1" in shown

    mapping = {"step": "map", "column_0": "username", "column_1": "country", "column_2": ""}
    client.post(page_of(upload), mapping | CHOICES)
    assert "being read" in client.get(page_of(upload)).content.decode()
    worked()
    found = client.get(page_of(upload)).content.decode()
    assert "Import 1 user" in found
    assert "is no country code" in found
    assert not User.objects.filter(username="new1").exists()

    client.post(page_of(upload), {"step": "confirm", "reason": "the shop"})
    worked()
    done = client.get(page_of(upload))
    assert "The import is complete" in done.content.decode()
    assert User.objects.get(username="new1").country == "DE"
    upload.refresh_from_db()
    assert reverse("runs:detail", args=[upload.run_id]) in done.content.decode()
    for name in ("runs:detail", "operate:act"):
        assert client.get(reverse(name, args=[upload.run_id])).status_code == 200


def test_hostile_file_is_told_beside_the_field_and_not_kept(client, owner):
    answer = send(client, book({"xl/vbaProject.bin": "x"}), name="u.xlsx")
    assert answer.status_code == 422
    assert "has macros" in answer.content.decode()
    assert not Upload.objects.exists()


def test_few_files_at_a_time_are_kept_for_each_and_one_that_is_discarded_makes_room(client, owner):
    done = tried("username\nnew0\n", owner=owner)
    Run.objects.filter(pk=done.run_id).update(state=Run.State.DONE, started_at=now())
    waiting = tried("username\nnew1\n", owner=owner)
    for number in range(4):
        assert send(client, f"username\nfile{number}\n").status_code == 302
    refused = send(client, "username\nnew2\n")
    assert refused.status_code == 422
    assert "You have 5 files here" in refused.text
    assert "Discard this file" in client.get(page_of(waiting)).text

    answer = client.post(page_of(waiting), {"step": "discard"})

    assert answer.headers["Location"] == LIST
    assert not Upload.objects.filter(pk=waiting.pk).exists()
    assert Run.objects.get(pk=waiting.run_id).state == Run.State.CANCELLED
    assert send(client, "username\nnew2\n").status_code == 302


def test_files_of_colleagues_and_what_was_imported_are_not_discarded(client, owner):
    other = uploaded("username\nnew1\n")
    begun = Upload.objects.get(run=imported("username\nnew2\n", owner=owner))
    for upload in (other, begun):
        assert "Discard" not in client.get(page_of(upload)).text
        client.post(page_of(upload), {"step": "discard"})
        assert Upload.objects.filter(pk=upload.pk).exists()


@pytest.mark.parametrize("name", ["u.exe", "u", "u.xls", ".csv.zip", "../../u.xlsm"])
def test_other_files_are_refused_by_their_names(client, owner, name):
    assert send(client, "a\nb\n", name=name).status_code == 422


@pytest.mark.parametrize("data", [{}, {"file": "text"}, {"file": SimpleUploadedFile("u.csv", b"")}])
def test_form_without_a_file_says_so(client, owner, data):
    answer = client.post(LIST, data)
    assert answer.status_code == 422
    assert "Choose a file." in answer.content.decode() or "is empty" in answer.content.decode()


def test_large_files_are_taken_here_and_nowhere_else(client, owner):
    large = "username,note\n" + f"new1,{'x' * 4000}\n" * 800
    assert len(large) > 3_000_000
    assert send(client, large).status_code == 302
    refused = client.post("/admin/users/new/", {"file": SimpleUploadedFile("u", large.encode())})
    assert refused.status_code == 400
    huge = SimpleUploadedFile("u.csv", b"x" * (21 * 1024 * 1024))
    assert client.post(LIST, {"file": huge}).status_code == 400


def test_names_that_no_text_has_are_shown_as_they_can_be(client, owner):
    text = "username,a_x0000_b\nnew1,x\n"
    assert send(client, text.encode("utf-16"), name="ü" * 300 + ".csv").status_code == 302
    assert len(Upload.objects.get().file_name) <= 200


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"column_0": ""}, "Say which column is “Username”"),
        ({"column_1": "username"}, "Another column is this already."),
        ({"match": "id"}, "Say which column is “ID”"),
        ({"match": "nobody"}, "nobody"),
        ({"mode": "update", "column_1": ""}, "No column holds anything to change."),
        ({"column_1": "role"}, "role"),
        ({"column_1": "password"}, "password"),
    ],
)
def test_wrong_mapping_is_told_and_nothing_begins(client, owner, changed, sentence):
    upload = uploaded("username,country\nana,DE\n", owner=owner)
    data = {"step": "map", "column_0": "username", "column_1": "country"} | CHOICES | changed
    answer = client.post(page_of(upload), data)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    upload.refresh_from_db()
    assert upload.state == Upload.State.UPLOADED


def test_confirming_needs_a_reason_and_step_up_and_keeps_what_was_typed(client, owner):
    upload = tried("username\nnew1\n", owner=owner)
    assert client.post(page_of(upload), {"step": "confirm", "reason": ""}).status_code == 422
    step_down(client)
    answer = client.post(page_of(upload), {"step": "confirm", "reason": "the shop"})
    assert "/admin/account/confirm/" in answer.headers["Location"]
    assert Run.objects.get(pk=upload.run_id).state == Run.State.PREVIEWED
    assert "the shop" in client.get(page_of(upload)).content.decode()


def test_colleagues_look_but_do_not_go_on(client):
    upload = tried("username\nnew1\n", owner=make_staff(Role.SUPER_ADMIN))
    other = uploaded("username\nnew2\n")
    client.force_login(make_staff(Role.USER_ADMIN))
    assert client.get(page_of(upload)).status_code == 200
    client.get(page_of(other))
    before = checksum.database()
    for step in ("confirm", "again", "cancel", "map", "pause", "resume"):
        client.post(page_of(upload), {"step": step, "reason": "x"})
        client.post(page_of(other), {"step": step, "reason": "x"} | CHOICES)
    assert checksum.database() == before


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_other_roles_see_nothing_of_it(client, role):
    upload = tried("username\nnew1\n")
    client.force_login(make_staff(role))
    before = checksum.database()
    for address in (LIST, page_of(upload), f"{page_of(upload)}rows/", f"{page_of(upload)}state/"):
        assert client.get(address).status_code == 403
    assert send(client, "username\nnew2\n").status_code == 403
    assert checksum.database() == before
    assert LIST not in client.get("/admin/users/").content.decode()


def test_unknown_steps_and_files_are_told(client, owner):
    upload = uploaded("username\nana\n", owner=owner)
    answer = client.post(page_of(upload), {"step": "burn"})
    assert answer.status_code == 400
    assert "step" in answer.content.decode()
    assert client.get(f"{LIST}999999/").status_code == 404
    assert client.post(page_of(upload), {"step": "confirm", "reason": "x"}).status_code == 302
    assert client.get(f"{page_of(upload)}rows/").status_code == 200


def test_back_to_the_columns_forgets_what_was_found(client, owner):
    upload = tried("username,country\nnew1,DE\n", owner=owner)
    client.post(page_of(upload), {"step": "again"})
    upload.refresh_from_db()
    assert (upload.state, upload.run, upload.lines.count()) == (Upload.State.UPLOADED, None, 0)
    assert upload.columns == {"username": 0, "country": 1}
    assert 'name="column_1"' in client.get(page_of(upload)).content.decode()


def test_pause_and_cancel(client, owner):
    upload = tried("username\nnew1\n", owner=owner)
    client.post(page_of(upload), {"step": "confirm", "reason": "the shop"})
    client.post(page_of(upload), {"step": "pause"})
    worked()
    assert "Paused" in client.get(page_of(upload)).content.decode()
    client.post(page_of(upload), {"step": "resume"})
    client.post(page_of(upload), {"step": "cancel"})
    worked()
    assert "Cancelled" in client.get(page_of(upload)).content.decode()
    assert not User.objects.filter(username="new1").exists()


def lines_of(client, upload):
    answer = client.get(f"{page_of(upload)}rows/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))[1:]


def test_rows_as_csv_are_their_owners_and_stand_in_the_audit_log(client, owner):
    upload = tried("username\nnew1\nnew2\n", owner=owner)
    lines_of(client, upload)
    taken = AuditEntry.objects.filter(action="exports.import", actor_id=owner.pk).order_by("pk")
    begun, over = (entry.changes for entry in taken)
    assert over == {"export": begun["export"], "rows": 2, "complete": True}
    client.force_login(make_staff(Role.SUPER_ADMIN))
    assert client.get(f"{page_of(upload)}rows/").status_code == 403
    assert "rows/" not in client.get(page_of(upload)).text
    assert taken.count() == 2


def subscribers(number):
    """The names of so many users with a subscription."""
    ids = make_users(number)
    set_tier(ids, actor=SYSTEM, tier=1, ends_at=now() + timedelta(days=90), reason="x")
    return User.objects.filter(pk__in=ids).values_list("username", flat=True)


def confirm(client, upload, **data):
    return client.post(page_of(upload), {"step": "confirm", "reason": "x", **data})


@pytest.mark.parametrize("column", ["tier", "expires"])
def test_import_that_may_end_many_subscriptions_asks_for_their_number(client, owner, column):
    value = 0 if column == "tier" else (now() + timedelta(days=9)).date()
    rows = "".join(f"{name},{value}\n" for name in subscribers(51))
    upload = tried(f"username,{column}\n{rows}", owner=owner)
    answer = confirm(client, upload)
    assert answer.status_code == 422
    assert "Write 51, the number of users" in answer.text
    assert Run.objects.get(pk=upload.run_id).state == Run.State.PREVIEWED
    confirm(client, upload, number="51")
    assert Run.objects.get(pk=upload.run_id).state == Run.State.RUNNING


def test_import_that_takes_nothing_from_many_asks_for_no_number(client, owner):
    soon = (now() + timedelta(days=9)).date()
    rows = [f"{name},2," for name in subscribers(51)]  # another tier, until the same day
    rows += [f"new{n},1,{soon}" for n in range(51)]
    rows += [f"{name},,{soon}" for name in subscribers(50)]
    upload = tried("username,tier,expires\n" + "\n".join(rows), owner=owner)
    assert upload.run.changed == 152
    confirm(client, upload)
    assert Run.objects.get(pk=upload.run_id).state == Run.State.RUNNING


def test_rows_as_csv_before_and_after(client, owner):
    make_user("ana", country="DE")
    text = "username,country\nana,DE\n=cmd(),DE\nnew1,Nowhere\nnew2,DE\n"
    upload = tried(text, owner=owner)
    before = {row[0]: (row[1], row[3]) for row in lines_of(client, upload)}
    assert before == {
        "2": ("ana", "unchanged"),
        "3": ("'=cmd()", "changed"),
        "4": ("new1", "refused"),
        "5": ("new2", "changed"),
    }
    client.post(page_of(upload), {"step": "confirm", "reason": "the shop"})
    worked()
    after = {row[0]: (row[1], row[3]) for row in lines_of(client, upload)}
    assert after == before


def test_state_is_asked_without_prolonging_the_session_and_ends_with_a_fresh_page(client, owner):
    upload = mapped("username\nnew1\n", owner=owner)
    assert "rows so far" in client.get(f"{page_of(upload)}state/").content.decode()
    worked()
    assert client.get(f"{page_of(upload)}state/").headers["HX-Refresh"] == "true"


def test_column_that_gives_credits_is_offered_only_to_whom_may_give_them(client, owner):
    upload = uploaded("username,credits to add\nana,5\n", owner=owner)
    assert 'value="credits" selected' in client.get(page_of(upload)).content.decode()


@pytest.mark.parametrize("number", [1, 3])
def test_list_needs_as_many_queries_for_three_as_for_one(client, owner, number):
    for n in range(number):
        imported(f"username\nnew{n}\n", owner=owner)
    client.get(LIST)
    with CaptureQueriesContext(connection) as captured:
        client.get(LIST)
    ours = [each["sql"] for each in captured if "users_upload" in each["sql"]]
    assert len(ours) == 1
    assert len(captured) <= 6


def test_undone_import_says_so_and_leads_to_its_undo(client, owner):
    run = imported("username,country\nnew1,DE\n", owner=owner)
    upload = Upload.objects.get(run=run)
    undo = drafting.draft_undo(Act.objects.get(pk=run.pk), actor=owner, now=now())
    worked()
    steering.confirm(undo.pk, actor=owner, now=now(), reason="wrong file")
    worked()
    shown = client.get(page_of(upload)).text
    assert "This was undone." in shown
    assert reverse("operate:act", args=[undo.pk]) in shown
    assert "The import is complete" not in shown
    assert "password link" not in shown
    assert "undone" in client.get(LIST).text


def test_import_that_made_nobody_tells_of_no_new_people(client, owner):
    make_user("ana")
    imported("username,country\nana,DE\n", owner=owner)
    shown = client.get(page_of(Upload.objects.get())).text
    assert "The import is complete." in shown
    assert "New people" not in shown
    assert "password link" not in shown


def test_those_made_are_listed_and_mailed_a_link_as_a_selection(client, owner):
    make_user("ana")
    run = imported("username,email,country\nana,,DE\nnew1,n@example.org,DE\nnew2,,\n", owner=owner)
    upload = Upload.objects.get(run=run)
    made = set(User.objects.filter(username__startswith="new").values_list("pk", flat=True))
    shown = client.get(page_of(upload)).text
    assert "Mail the 2 new users a password link" in shown
    assert f"/admin/users/?id={','.join(map(str, sorted(made)))}" in shown
    answer = client.post(page_of(upload), {"step": "mail"})
    kept = Selection.objects.get()
    assert (kept.owner_id, set(kept.ids)) == (owner.pk, made)
    assert answer.headers["Location"] == (f"/admin/selections/{kept.pk}/users.send_password_link/")
    assert client.get(answer.headers["Location"]).status_code == 200


def test_link_is_mailed_after_nothing_that_made_nobody(client, owner):
    client.post(page_of(tried("username\nnew1\n", owner=owner)), {"step": "mail"})
    assert not Selection.objects.exists()


def test_refused_rows_that_a_run_tried_again_are_not_to_be_uploaded(client, owner):
    upload = tried("username,country\nnew1,DE\nnew2,DE\nnew3,Nowhere\n", owner=owner)
    taken = make_user("new2")
    confirm(client, upload)
    worked()
    assert "upload it again" in client.get(page_of(upload)).text
    User.objects.filter(pk=taken.pk).update(username="other")
    run = Run.objects.get(pk=upload.run_id)
    assert run.refused + run.failed == 1
    again = drafting.draft_retry(run, actor=owner, now=now())
    worked()
    steering.confirm(again.pk, actor=owner, now=now(), reason="the name is free")
    worked()
    again.refresh_from_db()
    shown = client.get(page_of(upload)).text
    assert f'<a class="link" href="/admin/runs/{again.pk}/">run {again.number:,}</a>' in shown
    assert "upload none of these again" in shown
    assert "What was wrong in the file itself was not" in shown
    assert "upload it again" not in shown


def test_credits_of_refused_rows_are_not_counted(client, owner):
    make_user("ana")
    close([make_user("ben").pk], actor=SYSTEM, reason="left")
    upload = tried("username,credits to add\nana,5\nben,70\n", owner=owner)
    assert credits_of(client, upload) == ("credits to add", "5.00")
    confirm(client, upload)
    worked()
    assert credits_of(client, upload) == ("credits added", "5.00")


def credits_of(client, upload):
    """The figure of credits, with its label."""
    shown = client.get(page_of(upload)).text
    return re.search(r"<dt>(credits [a-z ]+)</dt><dd>([^<]+)</dd>", shown).groups()


def test_import_that_the_run_refuses_whole_is_not_to_be_confirmed(client, owner):
    close([make_user("ben").pk], actor=SYSTEM, reason="left")
    upload = tried("username,country\nben,DE\n", owner=owner)
    assert upload.run.state == Run.State.PREVIEWED
    for address in (LIST, page_of(upload)):
        assert "every row refused" in client.get(address).text
        assert "to be confirmed" not in client.get(address).text


def test_columns_that_are_left_out_are_named(client, owner):
    upload = tried("username,Nonsense,,country\nnew1,x,y,DE\n", owner=owner)
    shown = client.get(page_of(upload)).text
    assert "Columns left out: <bdi>Nonsense</bdi>, <bdi>Column 3</bdi>" in shown


def test_preview_shows_addresses_and_notes_and_never_nothing(client, owner):
    long = "n" * 200
    upload = tried(f"username,email,note\nnew1,ana@example.org,{long}\nnew2,,\n", owner=owner)
    shown = client.get(page_of(upload)).text
    assert "ana@example.org" in shown
    assert f"{'n' * 119}…" in shown
    assert long not in shown
    assert "A new account, without an address." in shown
    assert 'data-label="Row"' in shown


def test_preview_masks_addresses_for_who_sees_them_masked():
    upload = tried("username,email\nnew1,ana@example.org\n")
    [row] = results.first_changes(upload, make_staff(Role.READ_ONLY))
    assert row.changes == [("email", None, "a•••@e•••.org")]


def test_file_is_called_by_its_name_and_its_letters_as_people_call_them(client, owner):
    upload = tried(
        b"\xef\xbb\xbfusername\nnew1\n",
        owner=owner,
        name="shop.csv",
    )
    shown = client.get(page_of(upload)).text
    assert "CSV, UTF-8," in shown
    assert "shop.csv" in client.get(reverse("runs:detail", args=[upload.run_id])).text


def test_files_in_every_state_are_shown(client, owner):
    uploaded("username\na1\n", owner=owner)
    mapped("username\na2\n", owner=owner)
    worked()
    refused = tried("username,country\na3,Nowhere\n", owner=owner)
    Upload.objects.filter(pk=uploaded("a\nb\n", owner=owner).pk).update(
        state="refused", why="Too long."
    )
    imported("username\na4\n", owner=owner)
    waiting = tried("username,credits to add\na5,20000\n", owner=owner)
    client.post(page_of(waiting), {"step": "confirm", "reason": "the shop"})
    assert "Waiting for approval" in client.get(page_of(waiting)).content.decode()
    listed = client.get(LIST).content.decode()
    for words in ("columns to be named", "to be confirmed", "every row refused", "file refused"):
        assert words in listed
    for upload in Upload.objects.all():
        assert client.get(page_of(upload)).status_code == 200
    assert "nothing to import" in client.get(page_of(refused)).content.decode()
    assert now() > refused.created_at
