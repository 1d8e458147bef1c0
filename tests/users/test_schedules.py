"""Exports by schedule: due at an hour of the console, once whatever happens, as their owner, told
by a letter with a link."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import export_writing
from audit.export_files import ExportRefused
from audit.models import AuditEntry, AuditPersonal, ExportFile
from audit.people import SYSTEM
from tests import checksum
from tests.factories import make_staff, make_user, make_users
from users import exports, saved_views
from users.exporting import schedules
from users.exporting.schedules import Plan, ScheduleRefused
from users.exporting.times import next_time
from users.models import ExportSchedule, User
from users.restrictions import services
from users.roles import Role
from users.saved_views import Picture
from users.tasks import begin_scheduled_exports

pytestmark = pytest.mark.django_db

NEW, LIST = reverse("exports:schedule"), reverse("exports:list")
BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.EXPORTS = tmp_path / "exports"


def as_user(user):
    client = Client()
    client.force_login(user)
    return client


def keep(owner=None, *, now=NOON, **options):
    plan = {
        "name": "Everybody",
        "every": "day",
        "weekday": None,
        "hour": 6,
        "view_id": None,
        "query": "",
        "columns": [],
        "masked": True,
        "reason": "",
        "file_type": "csv",
    }
    owner = owner or make_staff(Role.SUPER_ADMIN, email="boss@example.org")
    return schedules.keep(owner, Plan(**(plan | options)), now=now)


def at(*parts, zone=UTC):
    return datetime(*parts, tzinfo=zone).astimezone(UTC)


class TestHours:
    """When something is due."""

    @pytest.mark.parametrize(
        ("weekday", "hour", "after", "due"),
        [
            (None, 6, at(2026, 11, 20, 5, 59), at(2026, 11, 20, 6)),
            (None, 6, at(2026, 11, 20, 6), at(2026, 11, 21, 6)),
            (None, 0, at(2026, 12, 31, 23, 59), at(2027, 1, 1)),
            (4, 6, at(2026, 11, 20, 5), at(2026, 11, 20, 6)),
            (4, 6, at(2026, 11, 20, 6), at(2026, 11, 27, 6)),
            (3, 6, at(2026, 11, 20, 6), at(2026, 11, 26, 6)),
        ],
    )
    def test_next_hour_of_a_day_or_weekday(self, weekday, hour, after, due):
        assert next_time(hour=hour, weekday=weekday, after=after) == due

    def test_hour_is_the_consoles_in_summer_and_winter(self):
        summer = next_time(hour=9, weekday=None, after=at(2026, 7, 1, 12), zone=BERLIN)
        winter = next_time(hour=9, weekday=None, after=at(2026, 12, 1, 12), zone=BERLIN)
        assert (summer.hour, winter.hour) == (7, 8)

    def test_hour_that_clocks_leap_over_is_the_moment_of_the_leap(self):
        due = next_time(hour=2, weekday=None, after=at(2027, 3, 27, 12), zone=BERLIN)
        assert due == at(2027, 3, 28, 1)  # 03:00 in Berlin, where 02:00 does not come
        assert next_time(hour=2, weekday=None, after=due, zone=BERLIN) == at(2027, 3, 29, 0)

    def test_hour_that_comes_twice_counts_once(self):
        due = next_time(hour=2, weekday=None, after=at(2026, 10, 24, 12), zone=BERLIN)
        assert due == at(2026, 10, 25, 0)
        assert next_time(hour=2, weekday=None, after=due, zone=BERLIN) == at(2026, 10, 26, 1)

    @pytest.mark.parametrize("hour", range(24))
    def test_every_day_of_a_year_has_its_hour_once(self, hour):
        moment, days = at(2026, 1, 1, zone=BERLIN) - timedelta(seconds=1), []
        while (moment := next_time(hour=hour, weekday=None, after=moment, zone=BERLIN)) < at(
            2027, 1, 1, zone=BERLIN
        ):
            days.append(moment.astimezone(BERLIN).date())
        assert len(days) == len(set(days)) == 365

    def test_zone_is_the_settings(self, settings):
        settings.TIME_ZONE = "Asia/Shanghai"
        assert next_time(hour=6, weekday=None, after=NOON) == at(2026, 11, 20, 22)


class TestDue:
    """What happens at the hour."""

    def test_is_begun_once_at_its_hour(self):
        schedule = keep()
        assert schedules.take_due(now=at(2026, 11, 21, 5, 59, 59)) == 0
        assert schedules.take_due(now=at(2026, 11, 21, 6)) == 1
        assert schedules.take_due(now=at(2026, 11, 21, 6)) == 0
        file = ExportFile.objects.get()
        assert (file.schedule_id, file.title, file.maker_id) == (
            schedule.pk,
            "Everybody",
            schedule.owner_id,
        )
        schedule.refresh_from_db()
        assert (schedule.last_at, schedule.next_at) == (
            at(2026, 11, 21, 6),
            at(2026, 11, 22, 6),
        )

    def test_days_that_were_missed_are_made_up_for_by_one(self):
        schedule = keep()
        late = at(2026, 11, 29, 15)
        assert schedules.take_due(now=late) == 1
        assert schedules.take_due(now=late) == 0
        schedule.refresh_from_db()
        assert schedule.next_at == at(2026, 11, 30, 6)

    def test_job_begins_what_is_due(self):
        keep(now=time_now() - 2 * DAY)
        begin_scheduled_exports()
        begin_scheduled_exports()
        assert ExportFile.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_two_beats_at_once_begin_it_once(self):
        keep()
        start, done = threading.Barrier(4), []

        def beat():
            start.wait()
            try:
                done.append(schedules.take_due(now=at(2026, 11, 21, 6)))
            finally:
                connection.close()

        beats = [threading.Thread(target=beat) for _each in range(4)]
        for each in beats:
            each.start()
        for each in beats:
            each.join()
        assert sum(done) == ExportFile.objects.count() == 1

    def test_beat_that_saw_it_due_before_another_began_it_leaves_it(self):
        schedule, due = keep(), at(2026, 11, 21, 6)
        assert schedules._take(schedule.pk, due)
        assert not schedules._take(schedule.pk, due)
        assert ExportFile.objects.count() == 1

    def test_paused_one_rests_and_goes_on_at_its_next_hour(self):
        schedule = keep()
        schedules.pause(schedule, now=NOON)
        later = at(2026, 11, 25, 12)
        assert schedules.take_due(now=later) == 0
        schedules.go_on(schedule, now=later)
        assert schedules.take_due(now=later) == 0
        assert schedules.take_due(now=at(2026, 11, 26, 6)) == 1

    def test_view_is_exported_as_it_is_then(self):
        owner = make_staff(Role.SUPER_ADMIN)
        view = saved_views.keep(owner, "Some", Picture("tier=1", []), shared_with=[], now=NOON)
        schedule = keep(owner, view_id=view.pk)
        saved_views.redraw(view, Picture("tier=2", []), now=NOON)
        assert schedules.make_now(schedule, now=time_now()).query == "tier=2"


class TestWithoutRights:
    """What cannot be made stops, and tells why."""

    def stopped(self, schedule, why):
        assert schedules.take_due(now=at(2026, 11, 21, 6)) == 1
        schedule.refresh_from_db()
        assert why in schedule.stopped
        file = ExportFile.objects.get()
        assert (file.state, file.error) == ("failed", schedule.stopped)
        entry = AuditEntry.objects.filter(action="exports.schedule").latest("id")
        assert entry.changes["stopped"] == ["", schedule.stopped]
        assert schedules.take_due(now=at(2026, 11, 22, 6)) == 0

    @pytest.mark.parametrize("role", [Role.NONE, Role.SUPPORT])
    def test_lost_role_stops_it(self, role):
        schedule = keep()
        User.objects.filter(pk=schedule.owner_id).update(role=role)
        self.stopped(schedule, "The role of its owner does not allow this export any more.")

    def test_lost_right_to_whole_addresses_stops_it(self):
        schedule = keep(masked=False, reason="audit")
        User.objects.filter(pk=schedule.owner_id).update(role=Role.READ_ONLY)
        self.stopped(schedule, "The role of its owner does not allow")

    def test_suspension_stops_it(self):
        schedule = keep(make_staff(Role.USER_ADMIN))
        services.suspend(
            [schedule.owner_id],
            actor=SYSTEM,
            reason_code="spam",
            ends_at=None,
            reason="left",
            now=NOON,
        )
        self.stopped(schedule, "closed or suspended")

    def test_deleted_view_stops_it(self):
        owner = make_staff(Role.SUPER_ADMIN)
        view = saved_views.keep(owner, "Some", Picture("tier=1", []), shared_with=[], now=NOON)
        schedule = keep(owner, view_id=view.pk)
        saved_views.delete(view, now=NOON)
        self.stopped(schedule, "The view that it exports was deleted.")

    def test_view_that_is_shared_no_more_stops_it(self):
        other = make_staff(Role.SUPER_ADMIN)
        shared = ["user_admin"]
        view = saved_views.keep(other, "Some", Picture("", []), shared_with=shared, now=NOON)
        schedule = keep(make_staff(Role.USER_ADMIN), view_id=view.pk)
        saved_views.change(view, name="Some", shared_with=[], now=NOON)
        self.stopped(schedule, "is not shared with its owner any more")

    def test_question_that_is_none_any_more_stops_it(self):
        schedule = keep(query="nonsense=1")
        self.stopped(schedule, "There is no filter named “nonsense”.")

    def test_one_that_stopped_goes_on_when_its_owner_says_so(self):
        schedule = keep()
        User.objects.filter(pk=schedule.owner_id).update(role=Role.SUPPORT)
        schedules.take_due(now=at(2026, 11, 21, 6))
        User.objects.filter(pk=schedule.owner_id).update(role=Role.USER_ADMIN)
        schedule = ExportSchedule.objects.get()
        schedules.go_on(schedule, now=at(2026, 11, 21, 7))
        assert schedules.take_due(now=at(2026, 11, 22, 6)) == 1
        assert ExportFile.objects.latest("created_at").state == "waiting"

    def test_limit_that_is_reached_stops_it_for_that_day_only(self, monkeypatch):
        monkeypatch.setitem(exports.ROWS_A_DAY, Role.READ_ONLY.value, 2)
        reader = make_staff(Role.READ_ONLY, email="reader@example.org")
        ids = make_users(3)
        schedule = keep(reader, query="username=many")
        schedules.take_due(now=at(2026, 11, 21, 6))
        file = ExportFile.objects.get()
        assert "Your role exports 2 rows a day. 2 are left today" in file.error
        schedule.refresh_from_db()
        assert schedule.goes_on
        User.objects.filter(pk__in=ids[:1]).update(username="gone")
        schedules.take_due(now=at(2026, 11, 22, 6))
        assert ExportFile.objects.latest("created_at").limit == 2

    def test_more_whole_addresses_than_one_may_take_are_refused_where_nobody_confirms(
        self, monkeypatch
    ):
        monkeypatch.setattr(exports, "WHOLE_ROWS_OF_ONE", 2)
        make_users(3)
        schedule = keep(masked=False, reason="audit")
        with pytest.raises(ExportRefused, match="exported by hand only"):
            schedules.make_now(schedule, now=time_now())
        assert not ExportFile.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestLetters:
    """A link, never the file."""

    def test_ready_file_is_told_by_a_link_that_asks_to_sign_in(self, post, settings):
        make_users(3)
        schedule = keep(query="username=many", now=time_now() - 2 * DAY)
        schedules.take_due(now=time_now())
        assert export_writing.write_next(now=time_now())
        [letter] = post.fetch()
        file = ExportFile.objects.get()
        assert letter.recipients == ["boss@example.org"]
        assert letter.subject == "Export ready: Everybody"
        assert "with 3 rows" in letter.text
        link = f"{settings.SITE_URL}/admin/exports/{file.pk}/"
        assert link in letter.text
        assert not list(letter.message.iter_attachments())
        assert "many" not in letter.text
        page = f"/admin/exports/{file.pk}/"
        answer = Client().get(page)
        assert (answer.status_code, "sign-in" in answer["Location"]) == (302, True)
        assert as_user(make_staff(Role.SUPER_ADMIN)).get(page).status_code == 404
        assert as_user(schedule.owner).get(page).status_code == 200

    def test_stop_is_told_with_the_reason(self, post):
        schedule = keep(now=time_now() - 2 * DAY)
        User.objects.filter(pk=schedule.owner_id).update(role=Role.SUPPORT)
        schedules.take_due(now=time_now())
        [letter] = post.fetch()
        assert letter.subject == "Export not made: Everybody"
        assert "The role of its owner does not allow this export any more." in letter.text
        assert "It will not be made again by itself." in letter.text

    def test_failure_of_the_worker_is_told(self, post, settings, tmp_path):
        (tmp_path / "file").write_text("in the way")
        settings.EXPORTS = tmp_path / "file"
        schedule = keep(now=time_now() - 2 * DAY)
        schedules.make_now(schedule, now=time_now())
        export_writing.write_next(now=time_now())
        [letter] = post.fetch()
        assert "could not be written" in letter.text
        assert "tried again at its next hour" in letter.text

    def test_nobody_is_told_of_what_was_deleted(self, post):
        schedule = keep(now=time_now() - 2 * DAY)
        schedules.take_due(now=time_now())
        export_writing.write_next(now=time_now())
        schedules.delete(schedule, now=time_now())
        assert post.fetch() == []

    def test_owner_without_an_address_has_no_letter(self, post):
        owner = make_staff(Role.SUPER_ADMIN)
        User.objects.filter(pk=owner.pk).update(email=None)
        schedules.make_now(keep(owner), now=time_now())
        export_writing.write_next(now=time_now())
        assert post.fetch() == []


class TestPages:
    """Making one of the list that is shown, and what can be done with it."""

    def fill(self, client, query="", **more):
        given = {
            "name": "Weekly",
            "what": "list",
            "every": "week",
            "weekday": "0",
            "hour": "7",
            "columns": "shown",
            "file_type": "xlsx",
        }
        return client.post(f"{NEW}?{query}", given | more)

    def test_list_is_kept_with_its_words_and_columns(self):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        page = client.get(f"{NEW}?tier=1&sort=-used&columns=tier,used").content.decode()
        assert "This list (Tier: " in page
        response = self.fill(client, "tier=1&sort=-used&columns=tier,used")
        assert (response.status_code, response["Location"]) == (302, LIST)
        schedule = ExportSchedule.objects.get()
        assert (schedule.query, schedule.columns) == (
            "sort=-used&tier=1",
            ["username", "tier", "used"],
        )
        assert (schedule.every, schedule.weekday, schedule.hour) == ("week", 0, 7)
        page = client.get(LIST).content.decode()
        assert "Weekly" in page
        assert "Monday" in page
        assert "07:00 UTC" in page
        assert "Delete “Weekly”?" in page
        entry = AuditEntry.objects.get(action="exports.schedule")
        assert entry.changes["hour"] == [None, 7]
        personal = AuditPersonal.objects.get(entry=entry.pk)
        assert personal.changes == {"query": "sort=-used&tier=1"}

    def test_view_is_followed(self):
        owner = make_staff(Role.SUPER_ADMIN)
        view = saved_views.keep(
            owner, "Some", Picture("tier=1", ["tier"]), shared_with=[], now=NOON
        )
        client = as_user(owner)
        assert "The view “Some”" in client.get(NEW).content.decode()
        self.fill(client, what=f"view:{view.pk}")
        schedule = ExportSchedule.objects.get()
        assert (schedule.view, schedule.follows_view, schedule.query) == (view, True, "")
        assert schedule.columns == ["tier"]

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"weekday": ""}, "Choose the day of the week."),
            ({"name": ""}, "This field is required."),
            ({"name": "x" * 61}, "at most 60 characters"),
            ({"name": "a\r\nBcc: b"}, "no line breaks or control characters"),
            ({"name": "a\u2028b"}, "no line breaks or control characters"),
            ({"hour": "24"}, "Select a valid choice."),
            ({"what": "view:99999"}, "Select a valid choice."),
            ({"whole": "on"}, "Write why the addresses are needed."),
            ({"file_type": "pdf"}, "Select a valid choice."),
        ],
    )
    def test_wrong_form_says_so_and_keeps_nothing(self, wrong, sentence):
        client = as_user(make_staff(Role.SUPER_ADMIN))
        before = checksum.database()
        response = self.fill(client, **wrong)
        assert response.status_code == 422
        assert sentence in response.content.decode()
        assert checksum.database() == before

    def test_name_is_used_once_and_their_number_is_limited(self, monkeypatch):
        owner = make_staff(Role.SUPER_ADMIN)
        client = as_user(owner)
        self.fill(client)
        response = self.fill(client, name="WEEKLY")
        assert "You have a schedule called “WEEKLY” already." in response.content.decode()
        monkeypatch.setattr(schedules, "MOST", 1)
        assert "You have 1 schedules." in self.fill(client, name="More").content.decode()
        with pytest.raises(ScheduleRefused):
            keep(owner, masked=True, name="More")

    @pytest.mark.django_db(transaction=True)
    def test_limit_holds_for_those_who_keep_several_at_once(self, monkeypatch):
        monkeypatch.setattr(schedules, "MOST", 2)
        owner = make_staff(Role.SUPER_ADMIN)
        start, done = threading.Barrier(5), []

        def one(number):
            start.wait()
            try:
                done.append(keep(owner, name=f"No. {number}"))
            except ScheduleRefused as refused:
                done.append(str(refused))
            finally:
                connection.close()

        threads = [threading.Thread(target=one, args=(number,)) for number in range(5)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert ExportSchedule.objects.filter(owner=owner).count() == 2
        assert done.count("You have 2 schedules. Delete one first.") == 3

    def test_whole_addresses_ask_to_confirm_and_are_for_who_may(self):
        admin = as_user(make_staff(Role.SUPER_ADMIN))
        session = admin.session
        del session["stepped_up_at"]
        session.save()
        response = self.fill(admin, whole="on", reason="audit")
        assert response["Location"].startswith(reverse("account:confirm"))
        assert not ExportSchedule.objects.exists()
        reader = make_staff(Role.READ_ONLY)
        assert 'name="whole"' not in as_user(reader).get(NEW).content.decode()
        self.fill(as_user(reader), whole="on", reason="audit")
        assert ExportSchedule.objects.get().masked
        with pytest.raises(ScheduleRefused):
            keep(reader, masked=False, name="Other", reason="audit")

    def test_acts_of_the_list(self):
        owner = make_staff(Role.SUPER_ADMIN)
        schedule, client = keep(owner), as_user(owner)

        def act(name):
            response = client.post(reverse(f"exports:{name}", args=[schedule.pk]), follow=True)
            schedule.refresh_from_db()
            return response.content.decode()

        assert "“Everybody” is paused." in act("pause_schedule")
        assert not schedule.goes_on
        assert "“Everybody” goes on." in act("go_on")
        assert schedule.goes_on
        assert "Waiting for its turn" in act("make_now")
        assert ExportFile.objects.get().schedule_id == schedule.pk
        url = reverse("exports:delete_schedule", args=[schedule.pk])
        assert "files that it made stay" in client.post(url, follow=True).content.decode()
        assert not ExportSchedule.objects.exists()
        assert ExportFile.objects.exists()

    @pytest.mark.parametrize("act", ["pause_schedule", "go_on", "make_now", "delete_schedule"])
    def test_schedule_of_another_does_not_exist(self, act):
        schedule, other = keep(), as_user(make_staff(Role.SUPER_ADMIN))
        before = checksum.database()
        url = reverse(f"exports:{act}", args=[schedule.pk])
        assert other.post(url).status_code == 404
        assert checksum.database() == before

    def test_list_costs_the_same_at_one_schedule_and_at_three(self, django_assert_num_queries):
        owner = make_staff(Role.SUPER_ADMIN)
        client = as_user(owner)
        keep(owner, name="0")
        for number in (1, 2):
            with django_assert_num_queries(4):  # session, person, files, schedules
                client.get(LIST)
            keep(owner, name=str(number)), keep(owner, name=f"{number}b")


def test_query_of_a_schedule_is_read_as_the_list_reads_it():
    make_user("ana")
    schedule = keep(query=QueryDict("q=ana").urlencode())
    assert schedules.make_now(schedule, now=time_now()).query == "q=ana"
