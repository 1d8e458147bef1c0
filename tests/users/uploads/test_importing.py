"""From a file to users: what is created, what is changed, what is refused, and the way back."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from audit import operations
from audit.models import Act, AuditEntry, Receipt, Run
from audit.people import SYSTEM
from audit.registry import operation_of
from audit.runs import drafting, steering
from audit.runs import working as runs
from billing.models import Account
from billing.reports import defects
from billing.services import adjust_credits
from subscriptions.models import Standing
from subscriptions.reports import defects as subscription_defects
from subscriptions.services import set_tier
from tests import checksum
from tests.factories import make_staff, make_user, make_users
from tests.users.uploads.files import imported, mapped, problems, refused, tried, uploaded
from users import roles
from users.models import Note, Tagging, Upload, UploadPart, UploadRow, User
from users.profile.services import close, reopen
from users.restrictions import services
from users.roles import Role
from users.uploads import fields, lines, reading, results, working
from users.uploads.operations import CODE, IMPORT
from users.uploads.rows import Parsed

pytestmark = pytest.mark.django_db

NEXT_YEAR = (now() + timedelta(days=400)).date().isoformat()


def balance(user):
    return Account.objects.get(user=user).balance


def test_new_people_are_made_with_all_that_the_row_says():
    run = imported(
        "username,email,country,language,time zone,tags,tier,expires,credits to add,note\n"
        f'zoë,zoe@example.org,de,de-DE,Europe/Berlin,"shop, VIP",2,{NEXT_YEAR},12.5,from the shop\n'
    )

    assert (run.changed, run.refused, run.failed) == (1, 0, 0)
    zoe = User.objects.get(username="zoë")
    assert (zoe.email, zoe.country, zoe.locale, zoe.timezone) == (
        "zoe@example.org",
        "DE",
        "de-DE",
        "Europe/Berlin",
    )
    assert (zoe.role, zoe.email_verified_at, zoe.has_usable_password()) == (Role.NONE, None, False)
    assert set(Tagging.objects.filter(user=zoe).values_list("tag__name", flat=True)) == {
        "shop",
        "VIP",
    }
    standing = Standing.objects.get(user=zoe)
    assert (standing.tier, standing.ends_at.date().isoformat()) == (2, NEXT_YEAR)
    assert balance(zoe) == Decimal("12.5")
    assert Note.objects.get(user=zoe).text == "from the shop"
    assert not list(defects())
    assert not list(subscription_defects())


def test_act_and_audit_stand_about_the_user_with_personal_data_apart():
    run = imported("username,email\nnew1,new1@example.org\n")
    made = User.objects.get(username="new1")
    act = Act.objects.get(pk=run.pk)
    assert (act.code, act.changed, act.reason) == (CODE, 1, "the list of the shop")
    entry = AuditEntry.objects.get(act_id=run.pk, target_id=made.pk)
    assert "new1" not in str(entry.changes)
    assert entry.personal.target_name == "new1"
    assert entry.personal.changes["email"] == [None, "new1@example.org"]


def test_known_people_are_changed_and_cells_that_are_empty_say_nothing():
    ana = make_user("Ana", country="FR")
    adjust_credits([ana.pk], actor=SYSTEM, delta=Decimal(1), reason="x")
    run = imported("username,country,time zone,credits to add\nANA,,Asia/Tokyo,2\n")

    ana.refresh_from_db()
    assert (run.changed, ana.username, ana.country, ana.timezone) == (1, "Ana", "FR", "Asia/Tokyo")
    assert balance(ana) == 3


def test_what_is_so_already_is_no_change():
    make_user("ana", country="FR")
    upload = tried("username,country\nana,fr\n")
    assert (upload.run.changed, upload.run.unchanged) == (0, 1)


def test_people_are_matched_by_id_or_address_whatever_its_case():
    ana, bob = make_user("ana", email="Ana@Example.org"), make_user("bob")
    imported("email,country\nana@example.ORG,DE\n", match="email")
    imported(f"id,country\n{bob.pk},PL\n", match="id")
    ana.refresh_from_db()
    bob.refresh_from_db()
    assert (ana.country, bob.country) == ("DE", "PL")


def test_dry_run_writes_nothing_but_the_upload_and_its_run():
    make_user("ana")
    make_user("bob")
    text = "username,email,country,tags,tier,expires,credits to add,note\n"
    text += (
        f"ana,,DE,a,1,{NEXT_YEAR},5,x\nnew1,n@example.org,DE,b,2,{NEXT_YEAR},5,y\nbob,,XXX,,,,,\n"
    )
    upload = mapped(text)
    before = checksum.database(
        without={"users_upload", "users_uploadrow", "audit_run", "audit_runchunk"}
    )
    while working.work() or runs.work():
        pass
    upload.refresh_from_db()
    assert (upload.run.changed, upload.problems) == (2, 1)
    after = checksum.database(
        without={"users_upload", "users_uploadrow", "audit_run", "audit_runchunk"}
    )
    assert before == after


def test_what_the_dry_run_foresees_is_what_happens():
    make_user("ana")
    make_user("bob", closed_at=now())
    text = "username,credits to add\nana,5\nbob,5\nnew1,7\n"
    upload = tried(text)
    foreseen = (upload.run.changed, upload.run.unchanged, upload.run.refused)
    assert upload.run.forecast["totals"] == {"credits": "12"}
    run = steering.confirm(upload.run_id, actor=upload.owner, now=now(), reason="x")
    while runs.work():
        pass
    run.refresh_from_db()
    assert (run.changed, run.unchanged, run.refused) == foreseen == (2, 0, 1)


# What is refused in the file itself


def test_rows_are_refused_by_number_in_words():
    make_user("ana")
    upload = tried(
        "username,email,country,language,time zone,tier,expires,credits to add\n"
        "n1,no address,DE,en,UTC,1,2030-01-01,5\n"
        "n2,,Germany,en,UTC,,,\n"
        "n3,,DE,english!,UTC,,,\n"
        "n4,,DE,en,Mars/Phobos,,,\n"
        "n5,,,,,9,,\n"
        "n6,,,,,,3/1/2027,\n"
        "n7,,,,,,,five\n"
        "n8,,,,,,,-5\n"
        "n9,,,,,,,0.1234567\n"
        "n10,,,,,,,5,too,many\n"
        ",x@example.org,DE\n"
    )
    found = problems(upload)
    assert sorted(found) == list(range(2, 13))
    assert "“Germany” is no country code: two letters, such as DE." in found[3]
    assert "Mars/Phobos" in found[5]
    assert "such as" in found[4]
    assert "0 to 3" in found[6]
    assert "2027-03-01" in found[7]
    assert "Adjust credits" in found[9]
    assert "six places" in found[10]
    assert "10 cells" in found[11]
    assert "a username is needed" in found[12]
    assert upload.run is None


def test_several_problems_of_a_row_are_told_at_once():
    [problem] = problems(tried("username,country,tier\nana,Nowhere,9\n")).values()
    assert "Country" in problem
    assert "Tier" in problem


def test_rows_about_the_same_user_are_all_refused():
    ana = make_user("ana")
    upload = tried(f"id,username\n{ana.pk},\n,Ana\n,new1\n,NEW1\n,fine\n", match="id")
    # The second row has no ID, and no such user can be made: the first is about her alone.
    assert set(problems(upload)) == {4, 5}
    by_name = tried("username,email\nana,\nANA,\nx1,a@example.org\nx2,A@example.org\n")
    found = problems(by_name)
    assert set(found) == {2, 3, 4, 5}
    assert "Rows 2, 3" in found[2]


def test_names_of_two_rows_that_look_alike_are_refused():
    assert set(problems(tried("username\nace\nасе\n"))) == {2, 3}


def test_names_of_two_rows_that_are_one_name_to_the_database_are_refused():
    assert set(problems(tried("username\nИВАН\nИван\nΑΝΝΑ\nάννα\nΆΝΝΑ\n"))) == {2, 3, 5, 6}


def test_ids_that_nobody_has_are_refused_in_every_mode():
    assert "no user with this ID" in problems(tried("id,username\n99999999,new1\n", match="id"))[2]


def test_creating_only_leaves_out_who_is_there_and_changing_only_who_is_not():
    make_user("ana")
    text = "username,country\nana,DE\nnew1,DE\n"
    assert "exists already" in problems(tried(text, mode="create"))[2]
    assert "no user of this name" in problems(tried(text, mode="update"))[3]


@pytest.mark.parametrize(
    ("name", "why"),
    [("two words", "no spaces"), ("a@b", "“@”"), ("асеtone", "scripts"), ("x" * 65, "64")],
)
def test_names_that_nobody_can_be_given_are_refused(name, why):
    assert why in refused(tried(f"username\n{name}\nfine1\n"))[name]


def test_names_that_nobody_can_be_given_are_counted_as_one_reason():
    upload = tried("username\n" + "".join(f"ａna{n}\n" for n in range(30)))
    assert [number for _why, number in results.reasons(upload)] == [30]


def test_names_and_addresses_that_somebody_signs_in_by_are_refused():
    make_user("ana", email="ana@example.org", legacy_username="old-ana")
    upload = tried(
        "username,email\nnew1,ANA@example.org\nold-ana,\nаna,\n",
    )
    found = refused(upload)
    assert "ana signs in by this name or address already." in found["new1"]
    assert "ana signs in" in found["old-ana"]


def test_an_import_renames_nobody_and_changes_no_address():
    ana = make_user("ana", email="ana@example.org")
    renamed = tried(f"id,username\n{ana.pk},anna\n", match="id")
    assert "renames nobody" in refused(renamed)["ana"]
    readdressed = tried("username,email\nana,other@example.org\n")
    assert "Change email" in refused(readdressed)["ana"]


def test_masked_addresses_are_no_addresses():
    assert "masked" in problems(tried("username,email\nnew1,n•••@e•••.org\n"))[2]


def test_own_export_of_balances_gives_nobody_credits():
    """“Credits” is the balance there: brought back as it is, it must not double anything."""
    headings = ["Username", "ID", "Email", "Status", "Tier", "Credits", "Used", "Expires (UTC)"]
    found = fields.guessed(headings, make_staff(Role.SUPER_ADMIN))
    assert "credits" not in found
    assert found == {"username": 0, "id": 1, "email": 2, "tier": 4, "expires": 7}


# Guards


def test_colleagues_and_oneself_are_refused():
    owner = make_staff(Role.USER_ADMIN)
    peer = make_staff(Role.USER_ADMIN)
    boss = make_staff(Role.SUPER_ADMIN)
    upload = tried(
        "username,credits to add\n"
        + "".join(f"{each.username},5\n" for each in (owner, peer, boss))
        + "new1,5\n",
        owner=owner,
    )
    assert set(refused(upload)) == {owner.username, peer.username, boss.username}
    assert upload.run.changed == 1


def test_no_column_makes_staff_verifies_or_sets_a_password():
    assert not {"role", "password", "email_verified_at", "state", "credits_set"} & set(
        fields.FIELDS
    )
    found = fields.guessed(["Admin", "Role", "Password", "Verified", "Status"], SYSTEM)
    assert found == {}


def confirmed(text, **more):
    upload = tried(text, **more)
    return steering.confirm(upload.run_id, actor=upload.owner, now=now(), reason="x")


def test_credits_over_the_caps_of_the_role_wait_for_a_second_person():
    owner = make_staff(Role.USER_ADMIN)
    run = confirmed("username,credits to add\nnew1,9000\nnew2,1001\n", owner=owner)
    assert run.state == Run.State.WAITING
    assert any("10,000" in reason for reason in run.approval.reasons)
    assert not User.objects.filter(username="new1").exists()


def test_credits_booked_elsewhere_count_against_the_same_cap():
    owner = make_staff(Role.USER_ADMIN)
    adjust_credits([make_user().pk], actor=owner, delta=Decimal(95_000), reason="x")
    run = confirmed("username,credits to add\nnew1,9000\n", owner=owner)
    assert run.state == Run.State.WAITING
    assert any("5,000" in reason for reason in run.approval.reasons)


def test_every_role_that_imports_may_do_by_hand_what_its_columns_do():
    """An import grants nothing. Where the matrix parts them, columns are left out for that role."""
    for role in roles.ROLES:
        if roles.grant(role, CODE) == "–":
            continue
        for field in fields.FIELDS.values():
            assert not field.permission or roles.grant(role, field.permission) != "–"
        assert roles.grant(role, fields.CREATING) != "–"


def test_who_was_suspended_meanwhile_imports_nothing():
    upload = tried("username\nnew1\n")
    steering.confirm(upload.run_id, actor=upload.owner, now=now(), reason="x")
    services.suspend(
        [upload.owner_id], actor=SYSTEM, reason_code="spam", ends_at=None, reason="left"
    )
    while runs.work():
        pass
    assert Run.objects.get(pk=upload.run_id).state == Run.State.HALTED
    assert not User.objects.filter(username="new1").exists()


# Subscriptions


def test_tier_and_end_of_a_running_subscription_change_as_one():
    ana = make_user("ana")
    set_tier([ana.pk], actor=SYSTEM, tier=1, ends_at=now() + timedelta(days=30), reason="x")
    run = imported(f"username,tier,expires\nana,3,{NEXT_YEAR}\n")
    standing = Standing.objects.get(user=ana)
    assert (run.changed, standing.tier, standing.ends_at.date().isoformat()) == (1, 3, NEXT_YEAR)
    assert not list(subscription_defects())


def test_end_that_an_export_cut_to_the_second_is_the_same_end():
    """Exports show no parts of seconds: what comes back as it was sent changes nothing."""
    ana = make_user("ana")
    ends_at = (now() + timedelta(days=30)).replace(microsecond=345_678)
    set_tier([ana.pk], actor=SYSTEM, tier=2, ends_at=ends_at, reason="x")
    upload = tried(f"username,tier,expires\nana,2,{ends_at:%Y-%m-%d %H:%M:%S}\n")
    assert (upload.run.changed, upload.run.unchanged) == (0, 1)
    imported(f"username,tier,expires\nana,3,{ends_at:%Y-%m-%d %H:%M:%S}\n")
    standing = Standing.objects.get(user=ana)
    assert (standing.tier, standing.ends_at) == (3, ends_at)


def test_tier_without_end_is_refused_where_nothing_runs():
    make_user("ana")
    assert "until when" in refused(tried("username,tier\nana,2\n"))["ana"]


def test_tier_0_ends_a_subscription_and_has_no_end():
    ana = make_user("ana")
    set_tier([ana.pk], actor=SYSTEM, tier=1, ends_at=now() + timedelta(days=30), reason="x")
    assert "no end" in refused(tried(f"username,tier,expires\nana,0,{NEXT_YEAR}\n"))["ana"]
    imported("username,tier\nana,0\n")
    assert Standing.objects.get(user=ana).ends_at <= now()
    assert not list(subscription_defects())


def test_export_brought_back_as_it_is_changes_nothing():
    ana, bob = make_user("ana", country="DE"), make_user("bob")
    ends = datetime(2030, 1, 1, tzinfo=UTC)
    set_tier([ana.pk], actor=SYSTEM, tier=1, ends_at=ends, reason="x")
    text = "Username,ID,Email,Tier,Expires (UTC),Country\n"
    text += f"ana,{ana.pk},{ana.email},1,2030-01-01 00:00:00,DE\nbob,{bob.pk},{bob.email},0,,\n"
    upload = tried(text, match="id")
    assert (upload.run.changed, upload.run.unchanged, upload.problems) == (0, 2, 0)


# The way back


def undo(run):
    undone = drafting.draft_undo(Act.objects.get(pk=run.pk), actor=run.owner, now=now())
    while runs.work():
        pass
    steering.confirm(undone.pk, actor=run.owner, now=now(), reason="wrong list")
    while runs.work():
        pass
    undone.refresh_from_db()
    return undone


def test_undo_takes_everything_back_and_closes_who_was_made():
    ana = make_user("ana", country="FR")
    adjust_credits([ana.pk], actor=SYSTEM, delta=Decimal(1), reason="x")
    text = "username,country,tags,tier,expires,credits to add,note\n"
    text += f"ana,DE,a,1,{NEXT_YEAR},5,x\nnew1,DE,b,2,{NEXT_YEAR},5,y\n"
    run = imported(text)

    undone = undo(run)

    ana.refresh_from_db()
    new = User.objects.get(username="new1")
    assert (undone.changed, undone.refused) == (2, 0)
    assert (ana.country, ana.closed_at, balance(ana)) == ("FR", None, 1)
    assert (new.closed_at is not None, balance(new)) == (True, 0)
    assert not Tagging.objects.filter(user__in=[ana, new]).exists()
    assert not Note.objects.filter(withdrawn_at__isnull=True).exists()
    assert set(Standing.objects.filter(user__in=[ana, new]).values_list("tier", flat=True)) == {0}
    assert not list(defects())
    assert not list(subscription_defects())


def test_undo_leaves_alone_who_was_touched_since():
    make_user("ana", country="FR")
    run = imported("username,country,credits to add\nana,DE,\nspent,,5\nused,,\n")
    User.objects.filter(username="ana").update(country="PL")
    spent = User.objects.get(username="spent")
    adjust_credits([spent.pk], actor=SYSTEM, delta=Decimal(-3), reason="x")
    User.objects.filter(username="used").update(last_seen_at=now())

    undone = drafting.draft_undo(Act.objects.get(pk=run.pk), actor=run.owner, now=now())
    while runs.work():
        pass

    undone.refresh_from_db()
    assert (undone.changed, undone.refused) == (0, 3)
    assert not User.objects.filter(closed_at__isnull=False).exists()
    assert User.objects.get(username="ana").country == "PL"


def test_undo_of_a_small_import_is_on_the_page_of_its_act_too():
    run = imported("username\nnew1\n")
    act = Act.objects.get(pk=run.pk)
    done = operations.undo(operation_of(CODE), act, actor=run.owner, now=now(), reason="x")
    assert len(done.changed) == 1
    assert User.objects.get(username="new1").closed_at is not None


# Many at once


def statements(rows):
    make_users(1)
    text = "username,email,country,tags,tier,expires,credits to add,note\n"
    text += "".join(
        f"new{rows}x{n},new{rows}x{n}@example.org,DE,a,1,{NEXT_YEAR},5,x\n" for n in range(rows)
    )
    known = make_users(rows)
    names = dict(User.objects.filter(pk__in=known).values_list("pk", "username"))
    text += "".join(f"{names[pk]},,DE,a,1,{NEXT_YEAR},5,x\n" for pk in known)
    upload = tried(text)
    steering.confirm(upload.run_id, actor=upload.owner, now=now(), reason="x")
    claim = runs.take_up()
    with CaptureQueriesContext(
        connection,
    ) as captured:
        runs.step(claim)
    assert Run.objects.get(pk=upload.run_id).changed == 2 * rows
    return len(captured)


def test_number_of_statements_does_not_depend_on_the_number_of_rows():
    assert statements(1) == statements(60)


def test_users_taken_while_it_ran_fail_alone():
    upload = tried("username\nnew1\nnew2\nnew3\n")
    steering.confirm(upload.run_id, actor=upload.owner, now=now(), reason="x")
    make_user("new2")
    while runs.work():
        pass
    run = Run.objects.get(pk=upload.run_id)
    assert (run.changed, run.refused) == (2, 1)
    receipts = Receipt.objects.filter(act=run.pk, outcome=Receipt.Outcome.REFUSED)
    assert "signs in by this name" in receipts.get().refusal


# Reading in the background


def test_worker_that_lost_the_file_keeps_nothing_of_what_it_read():
    upload = mapped("username\nnew1\n")
    first = working.take_up()
    Upload.objects.filter(pk=upload.pk).update(lease_until=now() - timedelta(seconds=1))
    second = working.take_up()
    assert second.token == first.token + 1
    with pytest.raises(working.Lost):
        working._read(first)
    with pytest.raises(working.Lost):  # also one that lost it in the middle
        working._stage(first, [Parsed(2, "new1", "new1", {})], upload.options)
    assert not UploadRow.objects.exists()
    working._read(second)
    upload.refresh_from_db()
    assert (upload.state, upload.rows) == (Upload.State.READ, 1)
    assert UploadRow.objects.filter(upload=upload).count() == 1


def test_reading_begins_again_where_a_worker_was_killed(monkeypatch):
    monkeypatch.setattr(working, "_BATCH", 2)
    upload = mapped("username\n" + "".join(f"new{n}\n" for n in range(7)))
    stage, calls = working._stage, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        stage(*args)

    monkeypatch.setattr(working, "_stage", killed)
    with pytest.raises(KeyboardInterrupt):
        working.work()
    assert not working.work()  # its lease still holds
    Upload.objects.update(lease_until=now() - timedelta(seconds=1))
    assert working.work()
    upload.refresh_from_db()
    assert (upload.rows, upload.problems, upload.state) == (7, 0, Upload.State.READ)


@pytest.mark.django_db(transaction=True)
def test_file_that_shows_nothing_for_long_stays_with_its_worker(settings, monkeypatch):
    """Empty rows, of which there may be any number, come to nothing: the lease must not hang on
    those that come to something."""
    settings.RUN_LEASE = 1
    monkeypatch.setattr(reading, "BEAT", 0.1)
    upload = mapped("username\nnew1\n" + ",,,,,,,\n" * 2_000_000 + "new2\n")
    claim, began = working.take_up(), time.monotonic()
    over, rivals = Event(), set()

    def rival():
        while not over.wait(0.05):
            rivals.add(working.take_up())
        connection.close()

    other = Thread(target=rival)
    other.start()
    try:
        working._read(claim)
    finally:
        over.set()
        other.join()
    upload.refresh_from_db()
    assert (upload.state, upload.rows, upload.token) == (Upload.State.READ, 2, 1)
    assert rivals == {None}
    assert time.monotonic() - began > settings.RUN_LEASE


def test_file_whose_reading_was_broken_off_often_is_refused():
    upload = mapped("username\nnew1\n")
    for _attempt in range(working.ATTEMPTS):
        assert working.take_up()
        Upload.objects.filter(pk=upload.pk).update(lease_until=now() - timedelta(seconds=1))
    assert working.work()
    upload.refresh_from_db()
    assert upload.state == Upload.State.REFUSED
    assert "broken off" in upload.why
    assert not working.work()


def test_one_file_is_read_at_a_time():
    mapped("username\nnew1\n")
    mapped("username\nnew2\n")
    assert working.take_up()
    assert working.take_up() is None
    Upload.objects.update(lease_until=now() - timedelta(seconds=1))
    assert working.take_up()


def test_file_that_turns_out_hostile_while_it_is_read_leaves_nothing():
    from bench.hostile import book, sheet

    far = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>username{n}</t></is></c></row>'
        for n in range(1, 60)
    )
    far += '<row r="60"><c r="XFD60" t="inlineStr"><is><t>x</t></is></c></row>'
    upload = mapped(
        book({"xl/worksheets/sheet1.xml": sheet(far)}), name="u.xlsx", columns={"username": 0}
    )
    working.work()
    upload.refresh_from_db()
    assert (upload.state, "Row 60" in upload.why) == (Upload.State.REFUSED, True)
    assert not UploadRow.objects.exists()
    assert not UploadPart.objects.exists()


def test_uploads_are_forgotten():
    old = now() - timedelta(hours=25)
    left = tried("username\nnew1\n")
    Upload.objects.filter(pk=left.pk).update(created_at=old)
    Run.objects.filter(pk=left.run_id).update(expires_at=now())
    unmapped = uploaded("username\nnew1\n")
    Upload.objects.filter(pk=unmapped.pk).update(created_at=old)
    done = imported("username\nnew2\n")
    Upload.objects.filter(run=done).update(created_at=old)
    working.forget(now())
    assert list(Upload.objects.values_list("run", flat=True)) == [done.pk]
    assert not UploadPart.objects.exists()
    working.forget(now() + timedelta(days=30))
    assert not Upload.objects.exists()


def test_uploads_whose_run_waits_for_somebody_are_kept():
    owner = make_staff(Role.USER_ADMIN)
    waiting = confirmed("username,credits to add\nnew1,9000\nnew2,1001\n", owner=owner)
    tried_late = tried("username\nnew3\n")
    Upload.objects.update(created_at=now() - timedelta(hours=25))
    working.forget(now())
    assert set(Upload.objects.values_list("run", flat=True)) == {waiting.pk, tried_late.run_id}
    working.forget(now() + timedelta(hours=25))
    assert not Upload.objects.exists()


def test_form_asks_again_what_its_columns_need():
    upload = tried("username,credits to add\nnew1,5\n")
    wanted = IMPORT.permissions({"upload": upload.pk}, [1, 2], now())
    assert {CODE, "audit.act_on_many", "users.create", "billing.adjust_credits"} == set(wanted)


def test_closed_users_are_refused():
    ana = make_user("ana")
    close([ana.pk], actor=SYSTEM, reason="x")
    assert "Reopen it first" in refused(tried("username,country\nana,DE\n"))["ana"]


def test_users_whom_an_undone_import_closed_are_imported_once_they_are_reopened():
    run = imported("username,country\nnew1,DE\n")
    boss = make_staff(Role.SUPER_ADMIN)
    act = Act.objects.get(pk=run.pk)
    operations.undo(IMPORT, act, actor=boss, now=now(), reason="a slip")
    mended = "username,country,credits to add\nnew1,FR,5\n"
    assert "Reopen it first" in refused(tried(mended))["new1"]
    made = User.objects.get(username="new1")
    reopen([made.pk], actor=SYSTEM, reason="to import them anew")
    assert imported(mended).changed == 1
    assert balance(made) == 5


def test_rows_without_problems_are_loaded_alone():
    upload = tried("username,country\nnew1,DE\nnew2,Nowhere\n")
    ids = list(UploadRow.objects.filter(upload=upload).values_list("target_id", flat=True))
    loaded = lines.load([pk for pk in ids if pk], lock=False, params={"upload": upload.pk})
    assert [line.name for line in loaded] == ["new1"]
