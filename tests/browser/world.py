"""A console with everything in it that a page can show, made by the services of the product."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit import selection
from audit.models import AuditEntry, ExportFile, Run
from audit.people import SYSTEM
from audit.runs import approving
from billing.services import adjust_credits, copy_statistics
from coai_admin.console.exports import CSV
from subscriptions import service_keys
from subscriptions.loading import LoadedPeriod, LoadedSubscription, load_subscriptions
from subscriptions.services import extend, set_expiry, set_tier
from tests.audit.approvals.asked import ask
from tests.audit.runs import prepared
from tests.browser.conftest import session_of
from tests.browser.letters import make_letters
from tests.factories import make_key, make_session, make_staff, make_user, make_users
from tests.hashing import PASSWORD
from tests.users.codes import enrolled
from tests.users.imports.deployments import Deployment, run
from tests.users.uploads import files
from users import saved_views
from users.exporting import schedules, writing
from users.exporting.schedules import Plan
from users.import_models import ImportRun
from users.models import ExportSchedule, Restriction, SecondFactorReset, Upload, User
from users.profile.services import add_note, tag
from users.restrictions import services
from users.roles import Role
from users.saved_views import Picture
from users.second_factor import cancelling
from users.second_factor.resets import reset_second_factor
from users.staff.services import grant_role
from users.table import USERS as USERS_TABLE

WIDE_NAME = "漢字仮名交じり文の長い名前を持つ利用者さんです壱弐"
DAY = timedelta(days=1)


def make_world(folder):
    """Whom and what the pages are about, by name, and ``staff``: by role, the session of somebody
    who is signed in."""
    now = time_now()
    staff = {
        role: make_staff(role, username=f"colleague.{role.value}", last_seen_at=now)
        for role in (Role.SUPER_ADMIN, Role.USER_ADMIN, Role.SUPPORT, Role.READ_ONLY)
    }
    admin = staff[Role.SUPER_ADMIN]
    make_crowd(now)
    ana, wide = make_ana(now, admin), make_wide(now, admin)
    make_colleague(now, admin)
    act = adjust_credits(
        [ana.pk, wide.pk, make_user("poor").pk],
        actor=admin,
        delta=Decimal("-2.5"),
        reason="Charged for the outage of 3 May, which was ours.",
        ticket="SUP-2041",
        now=now,
    )
    chosen = selection.pick(act.act_id, shown=[], picked=[ana.pk, wide.pk], owner=admin, now=now)
    copy_statistics(now=now, full=True)
    imported = import_people(folder)
    loser, reset = make_loser(now, admin)
    entry = AuditEntry.objects.filter(act_id=act.act_id).order_by("-pk").first()
    return {
        "staff": {role: session_of(user) for role, user in staff.items()} | make_owner() | loser,
        "ana": ana.pk,
        "wide": wide.pk,
        "subscriber": make_subscriber(now, admin).pk,
        "nobody": make_user("new.here", email=None).pk,
        "act": act.act_id,
        "entry": entry.pk,
        "selection": chosen.id,
        "service_key": make_service_keys(now, admin).pk,
        "view": make_views(admin, now).pk,
        **make_exports(admin, now),
        **make_approvals(admin, ana, wide),
        **make_runs(admin),
        "imported": imported.pk,
        "importing": begin_import(now, imported).pk,
        "loser": reset.user_id,
        "keep_factor": cancelling.token_of(reset),
        **make_letters(now, admin, ana, wide),
        **make_uploads(admin),
    }


def make_service_keys(now, admin):
    """A key that works and is used, and one that was revoked."""
    scopes = ("users.browse", "users.inspect", "users.suspend", "users.tag", "audit.inspect")
    works, gone = (
        service_keys.create(name, scopes, expires_at=now + 90 * DAY, actor=admin, now=now)
        for name in ("Gateway in Frankfurt", WIDE_NAME)
    )
    service_keys.find(works.token, now=now)
    service_keys.revoke(gone.key.pk, actor=admin, now=now)
    return works.key


def make_runs(admin):
    """Runs at every stage, on the crowd. Only those that are counting or running look as if a
    worker held them."""
    now = time_now()
    crowd = list(User.objects.filter(role=Role.NONE).order_by("pk").values_list("pk", flat=True))
    charge = {"data": {"delta": ["-1000"], "reason": [""]}, "actor": admin}
    suspension = {
        "code": "users.suspend",
        "data": {"reason_code": ["spam"], "ends_at": ["3d"], "internal_note": [WIDE_NAME]},
        "actor": admin,
    }
    previewed = prepared.previewed(crowd, **suspension)
    vain = prepared.previewed(crowd[-2:], **charge)
    done = prepared.finished(crowd[:20], code="users.tag", data={"add": ["met"]}, actor=admin)
    stages = {
        name: prepared.started(crowd, actor=admin) for name in ("running", "paused", "halted")
    }
    counting = prepared.draft(crowd, **suspension)
    held = {"lease_until": now + DAY, "cursor": 20, "changed": 18, "refused": 2, "pace": 31_250}
    half = {**held, "refusals": {"The account is closed.": 2}}
    stop = {"lease_until": None, "finished_at": now, "why": "Your role does not allow this."}
    for each, facts in (
        (counting, held),
        (stages["running"], half),
        (stages["paused"], half | {"state": "paused", "lease_until": None}),
        (stages["halted"], half | {"state": "halted", **stop}),
    ):
        Run.objects.filter(pk=each.pk).update(**facts)
    found = {"counting": counting, "previewed": previewed, "vain": vain, "done": done, **stages}
    large = prepared.select(range(1_000_000, 1_001_500), admin)
    return {"large_selection": large.pk, **{f"run_{name}": one.pk for name, one in found.items()}}


def make_approvals(admin, ana, wide):
    """What waits for a second person: the reader's own, a colleague's, and one that was refused."""
    other = make_staff(Role.SUPER_ADMIN, username="second.in.command")
    reason = f"Everybody was charged twice on 3 May: {WIDE_NAME}"
    mine = ask(
        "users.grant_role", [ana.pk], {"role": ["support"]}, actor=admin, reason="Joins the desk"
    )
    theirs = ask(
        "billing.adjust_credits",
        [ana.pk, wide.pk, make_user("charged.twice").pk],
        {"delta": ["50000"]},
        actor=other,
        reason=reason,
    )
    stranger = make_user("stranger").pk
    over = ask("users.grant_role", [stranger], {"role": ["user_admin"]}, actor=other, reason=reason)
    approving.refuse(over.pk, actor=admin, now=time_now(), note="Nobody knows this person.")
    return {"asked_by_me": mine.pk, "asked_of_me": theirs.pk, "asked_in_vain": over.pk}


def make_exports(maker, now):
    """Exports in the background in all their states, and by schedule: one goes on, one stopped."""
    reading = USERS_TABLE.read(QueryDict("status=active&q=person"), viewer=maker, now=now)
    wanted = {"whole": False, "reason": "", "shown": False, "file_type": CSV}
    facts = {
        "ready": {"rows_done": 1_204_118, "bytes": 251_000_000, "sha256": "0f" * 32},
        "running": {"rows_done": 22_000, "rows_total": 60_000, "started_at": now - DAY / 8_640},
        "failed": {"error": "The file could not be written (No space left on device)."},
        "expired": {"rows_done": 5},
        "waiting": {},
        "cancelled": {"title": WIDE_NAME},
    }
    made = {state: writing.ask(reading, **wanted).pk for state in facts}
    for state, more in facts.items():
        until = {"expires_at": now + 7 * DAY, "finished_at": now}
        over = until if state in ("ready", "expired") else {}
        rows = ExportFile.objects.filter(pk=made[state])
        rows.update(state=state, lease_until=now + DAY, told_at=now, **over, **more)
    plan = Plan(
        name="Everybody",
        every="day",
        weekday=None,
        hour=6,
        view_id=None,
        query="",
        columns=[],
        masked=True,
        reason="",
        file_type="csv",
    )
    schedules.keep(maker, plan, now=now)
    weekly = replace(plan, name=WIDE_NAME, every="week", weekday=0, file_type="xlsx")
    stopped = schedules.keep(maker, weekly, now=now)
    ExportSchedule.objects.filter(pk=stopped.pk).update(stopped="The view was deleted.")
    return {f"export_{state}": pk for state, pk in made.items()}


def make_uploads(owner):
    """Imports of users at every step."""
    rows = "".join(f'shop.{n},DE,2,2027-06-01,"1,250.5"\n' for n in range(8))
    text = "username,country,tier,expires,credits to add\n" + rows
    wrong = text.replace("shop.", "more.") + f"{WIDE_NAME * 3},Nowhere,9,soon,many\nana,,,,-5\n"
    tried = files.tried(wrong, owner=owner, name=f"{WIDE_NAME}.csv")
    done = files.imported(text, owner=owner)
    refused = files.uploaded(text, owner=owner)
    Upload.objects.filter(pk=refused.pk).update(state="refused", why="The workbook has macros.")
    return {
        "upload_named": files.uploaded(text, owner=owner).pk,
        "upload_tried": tried.pk,
        "upload_imported": Upload.objects.get(run=done).pk,
        "upload_refused": refused.pk,
        "upload_reading": files.mapped(text.replace("shop.", "yet."), owner=owner).pk,
    }


def make_owner():
    """Somebody with a second factor, at three places: in, about to confirm who they are, and on
    their way in."""
    owner, _app = enrolled("owner", role=Role.SUPPORT)
    half_in = Client()
    half_in.post(reverse("account:sign_in"), {"login": "owner", "password": PASSWORD})
    owner.refresh_from_db()  # signing in strengthened the hash, on which sessions depend
    return {
        "owner": session_of(owner),
        "confirming": session_of(owner, confirmed=False),
        "half in": half_in.cookies[settings.SESSION_COOKIE_NAME].value,
    }


def make_loser(now, actor):
    """Somebody whose second factor is about to be reset: their session, and the reset."""
    loser, _app = enrolled("loser", role=Role.SUPPORT)
    reset_second_factor(
        [loser.pk], actor=actor, identity_proof="Called back.", reason="Lost it.", now=now
    )
    return {"loser": session_of(loser)}, SecondFactorReset.objects.get(user=loser)


def make_views(owner, now):
    """Views of the table; the first is shared with people who may not ask what it asks."""
    view = saved_views.keep(
        owner,
        "Unpaid by name",
        Picture("q=person+used%3A0+email%3Aperson", ["username", "tier", "used"], "compact"),
        shared_with=["support"],
        now=now,
    )
    everything = Picture("tier=0", ["username"])
    saved_views.keep(owner, WIDE_NAME[:60], everything, shared_with=["super_admin"], now=now)
    return view


def import_people(folder):
    """Take over a small deployment, with something odd in it, made in ``folder``."""
    deployment = Deployment(folder / "chatnio.db")
    deployment.person(1, "root", quota=10, is_admin=True)
    deployment.person(2, "mei", quota=-3.5, used=7, email=None)
    deployment.insert("quota", user_id=99, quota=1)
    run(deployment)
    return ImportRun.objects.get()


def begin_import(now, before):
    """An import that has not come far."""
    return ImportRun.objects.create(
        source="second",
        location="db.example/chatnio",
        started_at=now,
        as_of=now,
        source_tz="Asia/Shanghai",
        act_id=before.act_id,
    )


def make_crowd(now):
    """People of every kind, and more of them than fit on a page."""
    make_users(45)
    crowd = [
        make_user(
            f"person{n:02}",
            joined_at=now - n * 11 * DAY,
            last_seen_at=now - n * DAY if n % 4 else None,
            country=("CN", "PT", "", "US")[n % 4],
            email_state=("ok", "bouncing", "complained", "suppressed", "ok")[n % 5],
            email_verified_at=now - 300 * DAY if n % 3 else None,
            closed_at=now - DAY if n == 7 else None,
            import_flags=["negative_balance"] if n == 9 else [],
        )
        for n in range(12)
    ]
    ids = [user.pk for user in crowd]
    load_subscriptions(
        LoadedSubscription(pk, 1 + n % 3, "purchase", now - 60 * DAY, None, (period(now, n),))
        for n, pk in enumerate(ids[:8])
    )
    adjust_credits(ids[:9], actor=SYSTEM, delta=Decimal("1234.5"), reason="Opening", now=now)
    for kind, pk, ends_at in (
        ("warning", ids[1], None),
        ("limit", ids[2], now + 3 * DAY),
        ("limit", ids[3], None),
    ):
        Restriction.objects.create(
            user_id=pk, kind=kind, reason_id="spam", starts_at=now - DAY, ends_at=ends_at
        )
    services.suspend(
        ids[4:6], actor=SYSTEM, reason_code="spam", ends_at=now + 5 * DAY, reason="spam", now=now
    )
    services.suspend(
        ids[6:7], actor=SYSTEM, reason_code="spam", ends_at=None, reason="spam", now=now
    )


def period(now, number):
    """Some run for ever, some for a while, some are over."""
    ends = (None, now + 40 * DAY, now - DAY)[number % 3]
    return LoadedPeriod(now - 60 * DAY, ends, 2)


def make_ana(now, actor):
    """Somebody with a long story."""
    ana = make_user(
        "ana.silva",
        email="ana.silva@mailbox.example",
        email_verified_at=now - 400 * DAY,
        joined_at=now - 400 * DAY,
        last_seen_at=now,
        country="PT",
        locale="pt",
        timezone="Europe/Lisbon",
    )
    make_session(ana)
    make_key(ana)
    for n in range(8):
        adjust_credits(
            [ana.pk],
            actor=actor,
            delta=(Decimal("0.000123"), Decimal(12), Decimal("-4.5"))[n % 3],
            reason=f"Payment {n} of the year",
            now=now - (60 - n) * DAY,
        )
    services.suspend(
        [ana.pk], actor=actor, reason_code="spam", ends_at=now + DAY, reason="Spam", now=now
    )
    services.lift_restriction([ana.pk], actor=actor, reason="It was not spam.", now=now)
    tag([ana.pk], actor=actor, add=["vip", "speaks Portuguese"], reason="Known", now=now - DAY)
    for text in ("Called about her invoice; paid the same day.", "Prefers to be written to."):
        add_note([ana.pk], actor=actor, text=text, now=now - 3 * DAY)
    return ana


def make_colleague(now, actor):
    """Somebody on the staff whose name is as long as it gets."""
    user = make_user(WIDE_NAME[::-1], email=f"{'a-very-long-mailbox-name' * 2}@mailbox.example")
    grant_role([user.pk], actor=actor, role=Role.USER_ADMIN, reason=WIDE_NAME, now=now)
    return user


def make_subscriber(now, actor):
    """Somebody whose subscription was changed in every way."""
    user = make_user("paula.periods")
    who = {"actor": actor, "reason": "As agreed"}
    begun = now - 70 * DAY
    set_tier([user.pk], tier=1, ends_at=begun + 90 * DAY, now=begun, **who)
    extend([user.pk], amount=3, now=begun + 10 * DAY, **who)
    set_tier([user.pk], tier=3, now=begun + 30 * DAY, **who)
    set_expiry([user.pk], ends_at=None, now=begun + 40 * DAY, **who)
    set_expiry([user.pk], ends_at=now + 20 * DAY, now=begun + 50 * DAY, **who)
    extend([user.pk], amount=-5, unit="days", now=now - DAY, **who)
    return user


def make_wide(now, actor):
    """Somebody whose every text is as long as it gets, suspended twice."""
    wide = make_user(
        WIDE_NAME,
        email=f"{'a-very-long-mailbox-name' * 2}@{'subdomain.' * 4}example",
        legacy_source="chatnio",
        legacy_id=2_147_483_647,
        legacy_username=WIDE_NAME.upper(),
        import_flags=["negative_balance"],
        must_change_password=True,
    )
    adjust_credits(
        [wide.pk], actor=actor, delta=Decimal("123456.123456"), reason=WIDE_NAME * 4, now=now
    )
    for code, ends_at in (("credential_sharing", now + 7 * DAY), ("spam", None)):
        services.suspend(
            [wide.pk],
            actor=actor,
            reason_code=code,
            ends_at=ends_at,
            reason=WIDE_NAME * 4,
            public_text=WIDE_NAME * 4,
            internal_note=WIDE_NAME * 4,
            now=now,
        )
    tags = [f"{WIDE_NAME[:12]}{n}" for n in range(8)]
    tag([wide.pk], actor=actor, add=tags, reason=WIDE_NAME, now=now)
    for _note in range(7):
        add_note([wide.pk], actor=actor, text=f"{WIDE_NAME * 6}\n\n{'x' * 90}", now=now)
    return wide
