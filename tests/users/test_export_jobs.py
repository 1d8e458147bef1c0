"""Exports of users in the background: who may have what, on the record, at which pace, and what
their page says."""

import csv
import io
import uuid
from datetime import timedelta

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import export_files, selection
from audit.models import AuditEntry, AuditPersonal, ExportFile
from audit.people import SYSTEM
from audit.tasks import write_exports
from coai_admin.console import exports as files
from tests import checksum
from tests.factories import make_staff, make_user, make_users
from users import exports
from users.exporting import writing
from users.models import User
from users.restrictions import services
from users.roles import Role
from users.table import USERS
from users.views.export_files import WAITING

pytestmark = pytest.mark.django_db(transaction=True)

URL = reverse("users:export")
LIST = reverse("exports:list")
State = ExportFile.State


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.EXPORTS = tmp_path / "exports"
    return settings.EXPORTS


def as_user(user):
    client = Client()
    client.force_login(user)
    return client


def at(page, file):
    return reverse(f"exports:{page}", args=[file.pk])


def ask_for(client, query="", **more):
    """Press a button of the export page; the file that it gives."""
    response = client.post(f"{URL}?{query}", {"later": "csv", **more})
    assert response.status_code == 302, response.content.decode()
    file = ExportFile.objects.latest("created_at")
    assert response["Location"] == at("file", file)
    return file


def made(client, query="", **more):
    file = ask_for(client, query, **more)
    write_exports()
    file.refresh_from_db()
    return file


def lines(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    response.close()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def entries(action="exports.users"):
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def told(client, url=LIST):
    return client.get(url).content.decode()


@pytest.mark.parametrize("later", ["csv", "xlsx"])
def test_button_leads_to_the_page_of_a_file_that_is_then_downloaded(later):
    client = as_user(make_staff(Role.SUPER_ADMIN))
    make_users(3)
    file = ask_for(client, "username=many", later=later)
    assert "Waiting for its turn" in told(client, at("file", file))
    assert "many" in told(client)
    write_exports()
    page = told(client, at("file", file))
    assert "The file is ready" in page
    file.refresh_from_db()
    assert file.sha256 in page
    response = client.get(at("download", file))
    name = f"users-{time_now():%Y-%m-%d}-{str(file.pk)[:8]}.{later}"
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Cache-Control"] == "no-store"
    body = b"".join(response.streaming_content)
    response.close()
    assert len(body) == file.bytes


def test_export_is_on_the_record_when_asked_when_written_and_when_taken():
    maker = make_staff(Role.SUPER_ADMIN)
    client = as_user(maker)
    make_user("ana", email="ana@mail.example.com")
    query = "email=ana%40mail.example.com"
    file = made(client, query, whole="on", reason="for the bank", columns="all")
    client.get(at("download", file)).close()
    begun, finished = entries()
    assert begun.changes["in_background"] is True
    assert (begun.changes["masked"], begun.changes["columns"]) == (False, "all")
    assert begun.reason == "for the bank"
    assert AuditPersonal.objects.get(entry=begun.pk).changes == {"query": query}
    assert finished.changes["complete"] is True
    assert (finished.changes["rows"], finished.changes["sha256"]) == (1, file.sha256)
    assert finished.actor_id == maker.pk
    [taken] = entries("exports.download")
    assert taken.changes == {"export": str(file.pk), "rows": 1, "masked": False}


def test_rights_are_those_of_the_moment_of_writing():
    maker = make_staff(Role.SUPER_ADMIN)
    make_user("ana", email="ana@mail.example.com")
    client = as_user(maker)
    file = ask_for(client, "username=ana", columns="all")
    User.objects.filter(pk=maker.pk).update(role=Role.READ_ONLY)
    ExportFile.objects.update(limit=1)  # else their daily limit refuses it
    write_exports()
    [line] = lines(client.get(at("download", file)))
    assert line["Email"] == "a•••@m•••.com"
    assert "Admin" in line


@pytest.mark.parametrize(
    ("whole", "role"), [("on", Role.READ_ONLY), ("", Role.SUPPORT), ("", Role.NONE)]
)
def test_role_that_was_lost_meanwhile_writes_nothing(whole, role, folder):
    maker = make_staff(Role.SUPER_ADMIN)
    client = as_user(maker)
    file = ask_for(client, whole=whole, reason="why")
    User.objects.filter(pk=maker.pk).update(role=role)
    write_exports()
    file.refresh_from_db()
    assert (file.state, file.error) == (
        State.FAILED,
        "Your role does not allow this export any more.",
    )
    assert not folder.exists()


def test_nothing_is_written_for_who_is_suspended():
    maker = make_staff(Role.USER_ADMIN)
    file = ask_for(as_user(maker))
    services.suspend([maker.pk], actor=SYSTEM, reason_code="spam", ends_at=None, reason="left")
    write_exports()
    file.refresh_from_db()
    assert file.state == State.FAILED
    assert "closed or suspended" in file.error


def test_question_that_may_not_be_asked_any_more_is_told():
    maker = make_staff(Role.SUPER_ADMIN)
    client = as_user(maker)
    file = ask_for(client, "role=support")
    User.objects.filter(pk=maker.pk).update(role=Role.READ_ONLY)
    reading_roles = make_staff(Role.READ_ONLY).may("users.inspect_staff")
    ExportFile.objects.filter(pk=file.pk).update(query="sort=email", limit=1)
    write_exports()
    file.refresh_from_db()
    assert reading_roles
    assert file.state == State.FAILED
    assert "cannot be sorted by “email”" in file.error
    assert "cannot be sorted by “email”" in told(client, at("file", file))


@pytest.mark.parametrize("page", ["file", "progress", "download"])
def test_file_of_another_does_not_exist(page):
    file = made(as_user(make_staff(Role.SUPER_ADMIN)))
    other = as_user(make_staff(Role.SUPER_ADMIN))
    assert other.get(at(page, file)).status_code == 404
    assert str(file.pk) not in told(other)
    assert entries("exports.download") == []


@pytest.mark.parametrize("act", ["cancel", "delete", "again"])
def test_nobody_acts_on_the_file_of_another(act, folder):
    file = made(as_user(make_staff(Role.SUPER_ADMIN)))
    other = as_user(make_staff(Role.SUPER_ADMIN))
    before = checksum.database()
    assert other.post(at(act, file)).status_code == 404
    assert checksum.database() == before
    assert export_files.path_of(file).exists()


def test_permission_that_was_lost_closes_the_download():
    maker = make_staff(Role.SUPER_ADMIN)
    client = as_user(maker)
    file = made(client, whole="on", reason="why")
    User.objects.filter(pk=maker.pk).update(role=Role.READ_ONLY)
    response = client.get(at("download", file))
    assert response.status_code == 403
    assert "does not allow this export any more" in response.content.decode()
    User.objects.filter(pk=maker.pk).update(role=Role.SUPPORT)
    assert client.get(at("download", file)).status_code == 403
    assert entries("exports.download") == []


def test_whole_addresses_ask_to_confirm_when_asked_for_and_when_taken():
    maker = make_staff(Role.SUPER_ADMIN)
    client = as_user(maker)
    file = made(client, whole="on", reason="why")
    session = client.session
    del session["stepped_up_at"]
    session.save()
    for response in (
        client.get(at("download", file)),
        client.post(at("again", file)),
        client.post(URL, {"later": "csv", "whole": "on", "reason": "why"}),
    ):
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("account:confirm"))
    assert ExportFile.objects.count() == 1
    assert made(client).masked  # masked ones ask nothing
    assert entries("exports.download") == []


def test_selection_is_kept_as_it_was():
    maker = make_staff(Role.SUPER_ADMIN)
    client, chosen = as_user(maker), uuid.uuid4()
    first, second, third = make_users(3)
    now = time_now()
    selection.pick(chosen, shown=[], picked=[first, second], owner=maker, now=now)
    file = ask_for(client, f"selection={chosen}")
    selection.pick(chosen, shown=[first], picked=[third], owner=maker, now=now)
    write_exports()
    found = {int(line["ID"]) for line in lines(client.get(at("download", file)))}
    assert found == {first, second}
    assert "2 selected users" in told(client)
    client.post(at("again", file))
    write_exports()
    again = ExportFile.objects.latest("created_at")
    assert {int(line["ID"]) for line in lines(client.get(at("download", again)))} == found


def test_columns_are_those_of_the_page_when_it_was_asked_for():
    client = as_user(make_staff(Role.SUPER_ADMIN))
    file = made(client, "columns=tier,country&sort=-id", columns="shown")
    [line] = lines(client.get(at("download", file)))
    assert list(line) == ["Username", "Tier", "Country", "Export"]


def test_empty_list_is_said_before_and_after():
    client = as_user(make_staff(Role.SUPER_ADMIN))
    assert "Nobody is in this list" in told(client, f"{URL}?q=nobody-is-called-this")
    file = made(client, "q=nobody-is-called-this")
    assert file.state == State.READY
    assert "Nobody was in the list" in told(client, at("file", file))
    assert lines(client.get(at("download", file))) == []


class TestPage:
    """One's own exports, each with what can be done."""

    def test_states_are_told(self):
        maker = make_staff(Role.SUPER_ADMIN)
        client = as_user(maker)
        file = made(client)
        words = {
            State.WAITING: "Waiting for its turn",
            State.RUNNING: "Being written",
            State.READY: "The file is ready",
            State.FAILED: "The file was not made.",
            State.CANCELLED: "The export was cancelled",
            State.EXPIRED: "The days of this file are over",
        }
        for state, word in words.items():
            ExportFile.objects.filter(pk=file.pk).update(state=state, rows_done=0)
            assert word in told(client, at("file", file))
            asks = b"every 2s" in client.get(at("progress", file)).content
            assert asks is (state in (State.WAITING, State.RUNNING))
            assert told(client).count("every 4s") == asks

    def test_progress_tells_rows_rate_and_time_left(self):
        maker = make_staff(Role.SUPER_ADMIN)
        client = as_user(maker)
        file = ask_for(client)
        began = time_now() - timedelta(seconds=10)
        ExportFile.objects.filter(pk=file.pk).update(
            state=State.RUNNING, rows_done=20_000, rows_total=60_000, started_at=began
        )
        page = told(client, at("progress", file))
        assert "20,000 of 60,000" in page
        assert "rows a second" in page
        assert "seconds left" in page
        assert "<html" not in page

    def test_file_that_is_over_or_lost_is_said_and_made_again(self, folder):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        file = made(client)
        export_files.path_of(file).unlink()
        response = client.get(at("download", file), follow=True)
        assert "This file is not there any more. Make it again." in response.content.decode()
        ExportFile.objects.filter(pk=file.pk).update(expires_at=time_now())
        assert "The days of this file are over" in told(client, at("file", file))
        assert client.get(at("download", file)).status_code == 302
        assert entries("exports.download") == []
        client.post(at("again", file))
        write_exports()
        assert ExportFile.objects.latest("created_at").state == State.READY

    def test_file_is_deleted_with_its_row(self, folder):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        file = made(client)
        assert client.post(at("delete", file))["Location"] == LIST
        assert list(folder.iterdir()) == []
        assert not ExportFile.objects.exists()
        assert client.post(at("delete", file)).status_code == 404

    def test_one_that_is_written_is_cancelled_first(self):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        file = ask_for(client)
        assert "Cancel it first" in client.post(at("delete", file), follow=True).content.decode()
        client.post(at("cancel", file))
        assert "was over already" in client.post(at("cancel", file), follow=True).content.decode()
        file.refresh_from_db()
        assert file.state == State.CANCELLED

    def test_list_costs_the_same_at_one_file_and_at_three(self, django_assert_num_queries):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        made(client)
        for _each in range(2):
            with django_assert_num_queries(4):  # session, person, files, schedules
                client.get(LIST)
            made(client), made(client)

    def test_unknown_parameter_is_refused(self):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        assert client.get(f"{LIST}?x=1").status_code == 400


class TestNews:
    """Wherever its maker is, the page says once that a file is ready."""

    def test_pages_ask_while_a_file_is_on_its_way_and_tell_once(self):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        news = reverse("exports:news")
        assert news not in told(client, "/admin/")
        file = ask_for(client)
        assert WAITING in client.cookies
        assert news in told(client, "/admin/")
        waiting = client.get(news)
        assert (waiting.status_code, waiting.content.strip()) == (200, b"")
        write_exports()
        answer = client.get(news)
        assert answer.status_code == 286
        assert "Your export is ready: All users." in answer.content.decode()
        assert at("file", file) in answer.content.decode()
        assert client.cookies[WAITING].value == ""
        assert client.get(news).content.strip() == b""

    def test_who_looks_at_the_file_is_not_told_of_it(self):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        file = made(client)
        client.get(at("progress", file))
        assert client.get(reverse("exports:news")).content.strip() == b""

    def test_failure_is_told_and_others_hear_nothing(self):
        maker = make_staff(Role.SUPER_ADMIN)
        client = as_user(maker)
        file = ask_for(client)
        ExportFile.objects.filter(pk=file.pk).update(state=State.FAILED, error="No space left.")
        news = reverse("exports:news")
        other = as_user(make_staff(Role.SUPPORT)).get(news)
        assert (other.status_code, other.content.strip()) == (286, b"")
        assert "No space left." in client.get(news).content.decode()

    def test_pages_do_not_ask_while_something_else_is_owed_first(self, settings):
        """The answer would lead to the page that asks, for ever."""
        maker = make_staff(Role.SUPER_ADMIN)
        client = as_user(maker)
        ask_for(client)
        news = reverse("exports:news")
        assert news in told(client, reverse("account:password"))
        User.objects.filter(pk=maker.pk).update(must_change_password=True)
        assert news not in told(client, reverse("account:password"))
        User.objects.filter(pk=maker.pk).update(must_change_password=False)
        settings.REQUIRE_STAFF_MFA = True
        assert news not in told(client, reverse("account:set_up_second_factor"))

    def test_asking_does_not_keep_a_session_alive(self):
        from users.views import export_files as views

        assert all(view.passive for view in (views.news, views.rows, views.progress))


class TestDailyLimit:
    """Rows count whichever way they leave."""

    @pytest.fixture(autouse=True)
    def _ten(self, monkeypatch):
        monkeypatch.setitem(exports.ROWS_A_DAY, Role.READ_ONLY.value, 10)
        monkeypatch.setitem(exports.WHOLE_ROWS_A_DAY, Role.USER_ADMIN.value, 10)

    def test_rows_in_the_background_and_at_once_are_counted_together(self):
        reader = make_staff(Role.READ_ONLY)
        client, ids = as_user(reader), make_users(12)
        six, four, one = (f"id={','.join(map(str, ids[:n]))}" for n in (6, 4, 1))
        ask_for(client, six)
        refused = client.post(f"{URL}?{six}", {"file": "csv"})
        assert refused.status_code == 422
        assert "4 are left today, and this list has 6" in refused.content.decode()
        refused = client.post(f"{URL}?{six}", {"later": "xlsx"})
        assert "4 are left today, and this list has 6" in refused.content.decode()
        assert len(lines(client.post(f"{URL}?{four}"))) == 4
        before = checksum.database()
        assert client.post(f"{URL}?{one}", {"later": "csv"}).status_code == 422
        assert checksum.database() == before
        write_exports()
        assert exports.left_today(reader, time_now()) == 0

    def test_file_holds_no_more_than_was_booked(self):
        reader = make_staff(Role.READ_ONLY)
        client = as_user(reader)
        make_users(4)
        file = ask_for(client, "username=many")
        make_users(5)
        write_exports()
        assert len(lines(client.get(at("download", file)))) == 4

    def test_role_with_a_limit_by_now_gets_no_file_that_was_asked_for_without_one(self):
        maker = make_staff(Role.USER_ADMIN)
        client = as_user(maker)
        make_users(12)
        ready, few = made(client, "username=many"), made(client, f"id={maker.pk}")
        waiting = ask_for(client, "username=many")
        User.objects.filter(pk=maker.pk).update(role=Role.READ_ONLY)
        write_exports()
        waiting.refresh_from_db()
        assert waiting.state == State.FAILED
        assert "Your role exports 10 rows a day by now" in waiting.error
        refused = client.get(at("download", ready))
        assert refused.status_code == 403
        assert "Your role exports 10 rows a day by now" in refused.text
        assert len(lines(client.get(at("download", few)))) == 1

    def test_what_did_not_come_about_is_given_back_once(self):
        reader = make_staff(Role.READ_ONLY)
        client = as_user(reader)
        make_users(8)
        file = ask_for(client, "username=many")
        assert exports.left_today(reader, time_now()) == 2
        client.post(at("cancel", file))
        client.post(at("cancel", file))
        assert exports.left_today(reader, time_now()) == 10

    def test_booking_of_yesterday_is_not_given_to_today(self):
        reader = make_staff(Role.READ_ONLY)
        make_users(8)
        now = time_now()
        reading = USERS.read(QueryDict("username=many"), viewer=reader, now=now)
        file = writing.ask(reading, whole=False, reason="", file_type=files.CSV, shown=False)
        export_files.cancel(file, now=now + timedelta(days=1))
        assert exports.left_today(reader, now + timedelta(days=1)) == 10

    def test_user_admins_are_limited_in_whole_addresses_alone(self):
        admin = make_staff(Role.USER_ADMIN)
        client, ids = as_user(admin), make_users(12)
        twelve, ten = (f"id={','.join(map(str, ids[:n]))}" for n in (12, 10))
        why = {"whole": "on", "reason": "why"}
        assert len(lines(client.post(f"{URL}?{twelve}"))) == 12
        refused = client.post(f"{URL}?{twelve}", {"later": "csv", **why})
        assert "Your role exports 10 rows a day. 10 are left today" in refused.content.decode()
        ask_for(client, ten, **why)
        assert client.post(f"{URL}?id={ids[0]}", why).status_code == 422
        ask_for(client, twelve)
        assert "may export 0 more rows with whole addresses" in told(client, URL)


def test_large_export_of_whole_addresses_is_the_matter_of_two(monkeypatch):
    monkeypatch.setattr(exports, "WHOLE_ROWS_OF_ONE", 2)
    make_users(3)
    rows = User.objects.all()
    assert exports.needs_approval(rows, whole=True)
    assert not exports.needs_approval(rows, whole=False)
    assert not exports.needs_approval(rows.filter(username="many"), whole=True)


def test_buttons_are_named_when_they_are_unknown():
    client = as_user(make_staff(Role.SUPER_ADMIN))
    response = client.post(URL, {"later": "pdf"})
    assert response.status_code == 400
    assert "“later” can only be “csv” or “xlsx”." in response.content.decode()
