"""What holds for every operation, present and future: one row of sample arguments each, and the
same tests for all."""

import inspect
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from audit import execution, operations
from audit.models import Act, AuditEntry, Receipt
from audit.registry import operations as registered
from subscriptions.models import Period, Standing, Subscription
from tests import checksum
from tests.factories import make_keys, make_sessions, make_staff, make_user, make_users
from users import roles
from users.models import (
    ApiKey,
    EmailChange,
    Note,
    PasswordLink,
    Restriction,
    SecondFactorReset,
    Session,
    Tagging,
    User,
)
from users.profile import services as profile_services
from users.restrictions import services
from users.roles import Role

pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)


def _bouncing(ids):
    User.objects.filter(pk__in=ids).update(email_state="bouncing")


def _with_access(ids):
    make_keys(ids)


def _suspended(ids):
    services.suspend(
        ids, actor=execution.people.SYSTEM, reason_code="spam", ends_at=END, reason="before"
    )


def _with_credits(ids):
    from billing.services import adjust_credits

    adjust_credits(ids, actor=execution.people.SYSTEM, delta=100, reason="before")


def _signed_in(ids):
    make_sessions(ids)


def _with_password(ids):
    User.objects.filter(pk__in=ids).update(password="a hash of something")


def _staff(ids):
    User.objects.filter(pk__in=ids, role=Role.NONE).update(role=Role.SUPPORT)


def _with_second_factor(ids):
    Authenticator.objects.bulk_create(
        Authenticator(user_id=pk, type=kind, data={})
        for pk in ids
        for kind in ("totp", "recovery_codes")
    )


def _tagged(ids):
    profile_services.tag(ids, actor=execution.people.SYSTEM, add=["old"], reason="before")


def _closed(ids):
    profile_services.close(ids, actor=execution.people.SYSTEM, reason="before")


def _subscribed(ids):
    from subscriptions.services import set_tier

    set_tier(ids, actor=execution.people.SYSTEM, tier=1, ends_at=END, reason="before")


SAMPLES = {
    "subscriptions.set_tier": {
        "prepare": _subscribed,
        "data": {"tier": "3", "ends_at": "", "reason": "an upgrade"},
    },
    "subscriptions.extend": {
        "prepare": _subscribed,
        "data": {"amount": "5", "unit": "days", "reason": "an outage"},
    },
    "subscriptions.set_expiry": {
        "prepare": _subscribed,
        "data": {"ends_at": "1m", "reason": "as agreed"},
    },
    "billing.set_credits": {
        "prepare": _with_credits,
        "data": {"balance": "150.5", "reason": "as agreed"},
    },
    "billing.adjust_credits": {
        "prepare": _with_credits,
        "data": {"delta": "12.5", "reason": "a gift"},
    },
    "users.change_email": {
        "prepare": list,
        "data": {"email": "another@example.net", "reason": "asked"},
    },
    "users.verify_email": {"prepare": list, "data": {"reason": "showed the letter"}},
    "users.resend_verification": {"prepare": _bouncing, "data": {"reason": "has room again"}},
    "users.send_password_link": {"prepare": _with_access, "data": {"reason": "forgot it"}},
    "users.suspend": {
        "prepare": _with_access,
        "data": {"reason_code": "spam", "ends_at": "3d", "reason": "spam wave"},
    },
    "users.lift_restriction": {
        "prepare": _suspended,
        "data": {"kind": "suspension", "reason_code": "", "reason": "appeal"},
    },
}
SAMPLES |= {
    "users.rename": {"prepare": list, "data": {"username": "a.new.name", "reason": "asked"}},
    "users.tag": {"prepare": _tagged, "data": {"add": "VIP, new", "remove": "OLD", "reason": "x"}},
    "users.add_note": {"prepare": list, "data": {"text": "Called; all is well."}},
    "users.end_sessions": {"prepare": _signed_in, "data": {"reason": "a lost laptop"}},
    "users.require_password_change": {"prepare": _with_password, "data": {"reason": "leaked"}},
    "users.reset_second_factor": {
        "prepare": _with_second_factor,
        "data": {"identity_proof": "called back", "reason": "lost the phone"},
    },
    "users.grant_role": {"prepare": list, "data": {"role": "support", "reason": "joins us"}},
    "users.revoke_role": {"prepare": _staff, "data": {"reason": "leaves us"}},
    "users.close": {"prepare": _with_access, "data": {"reason": "asked to"}},
    "users.reopen": {"prepare": _closed, "data": {"reason": "came back"}},
}
every_operation = pytest.mark.parametrize("code", sorted(SAMPLES))


def sample(code, ids):
    """The operation, its cleaned parameters, and targets on which it changes something."""
    operation = registered()[code]
    SAMPLES[code]["prepare"](ids)
    form = operation.form(SAMPLES[code]["data"], now=now())
    assert form.is_valid(), form.errors
    return operation, form


def perform(operation, ids, params, *, actor, now, **more):
    """As people do it: with the versions that a preview showed just now, and what takes two people
    as it is done once a second one approved."""
    seen = None
    if operation.needs_seen:
        looked = operations.preview(operation, ids, params, actor=actor, now=now)
        seen = {row.target_id: row.version for row in looked.rows}
    try:
        return operations.perform(operation, ids, params, actor=actor, now=now, seen=seen, **more)
    except execution.ApprovalNeeded:
        limits = {"guards": operation.guards, "seen": seen}
        return execution.execute(
            operation.procedure, ids, params, actor=actor, now=now, **limits, **more
        )


def undo(operation, act, *, actor, now, reason):
    """As people do it, or what takes two as it is done once a second one approved."""
    try:
        return operations.undo(operation, act, actor=actor, now=now, reason=reason)
    except execution.ApprovalNeeded:
        changed = Receipt.objects.filter(act=act, outcome=Receipt.Outcome.CHANGED)
        receipts = dict(changed.values_list("target_id", "undo"))
        params = {"act": act.pk, "receipts": receipts}
        more = {"guards": operation.guards, "undoes": act.pk}
        return execution.execute(
            operation.inverse, receipts, params, actor=actor, now=now, reason=reason, **more
        )


def takes_two(code, role):
    """Whether this role does it only with a second person's approval."""
    return "2" in roles.grant(role, code)


def make_targets(code, number):
    """So many users, or one where the operation is done to one at a time."""
    return make_users(number if registered()[code].many else 1)


def _subscriptions(ids):
    standings = Standing.objects.filter(user__in=ids).order_by("pk")
    subscriptions = Subscription.objects.filter(user__in=ids).order_by("pk")
    periods = Period.objects.filter(user__in=ids).order_by("pk")
    return {
        "standings": list(standings.values_list("pk", "subscription", "tier", "ends_at", "months")),
        "subscriptions": list(
            subscriptions.values_list("pk", "tier", "created_at", "ended_at", "anchor_at")
        ),
        "periods": list(
            periods.values_list("pk", "subscription", "tier", "span", "months", "created_at")
        ),
    }


def state(ids):
    """All that operations change about people, by table; what undo must bring back."""
    restrictions = [
        [r.user_id, r.kind, r.reason_id, str(r.ends_at)]
        for r in Restriction.objects.live(now()).filter(user__in=ids).order_by("pk")
    ]
    keys = list(
        ApiKey.objects.filter(user__in=ids).order_by("pk").values_list("user", "revoked_at")
    )
    accounts = ("username", "role", "closed_at", "must_change_password", "account__balance")
    people = list(User.objects.filter(pk__in=ids).order_by("pk").values_list("pk", *accounts))
    open_links = PasswordLink.objects.filter(user__in=ids, used_at=None, revoked_at=None)
    mine = {
        "sessions": Session.objects.filter(user__in=ids).values_list("user", "pk"),
        "factors": Authenticator.objects.filter(user__in=ids).values_list("user", "type"),
        "resets": SecondFactorReset.objects.filter(
            user__in=ids, cancelled_at=None, done_at=None
        ).values_list("user", "act_id"),
        "tags": Tagging.objects.filter(user__in=ids).values_list("user", "tag__name"),
        "notes": Note.objects.filter(user__in=ids, withdrawn_at=None).values_list("user", "text"),
        "links": open_links.values_list("user", "email"),
        "changes": EmailChange.objects.filter(
            user__in=ids, verified_at=None, cancelled_at=None
        ).values_list("user", "new_email"),
        "addresses": User.objects.filter(pk__in=ids).values_list(
            "pk", "email", "email_state", "email_verified_at"
        ),
    }
    return {
        **_subscriptions(ids),
        "restrictions": restrictions,
        "keys": keys,
        "people": people,
        **{name: sorted(rows) for name, rows in mine.items()},
    }


def test_every_operation_has_a_sample():
    assert set(registered()) == set(SAMPLES)


@every_operation
def test_operation_code_is_the_name_of_its_service(code):
    operation = registered()[code]
    app, _dot, name = code.partition(".")
    assert operation.service.__module__.partition(".")[0] == app
    assert operation.service.__name__ == name
    assert operation.inverse is None or operation.inverse.code == code


@every_operation
def test_operation_form_fields_are_the_parameters_of_its_service(code):
    operation = registered()[code]
    parameters = set(inspect.signature(operation.service).parameters)
    assert set(operation.form(now=now()).fields) == parameters - {"users", "actor", "now"}


@every_operation
def test_operation_has_a_row_in_the_role_matrix(code):
    assert code in roles.ROWS


@every_operation
def test_operation_fields_have_labels_and_refuse_unknown_keys(code):
    operation = registered()[code]
    assert all(field.label for field in operation.form(now=now()).fields.values())
    form = operation.form(SAMPLES[code]["data"] | {"nonsense": "1"}, now=now())
    assert not form.is_valid()
    assert "nonsense" in str(form.errors)


@every_operation
def test_operation_preview_is_what_acting_does_and_writes_nothing(code):
    ids = make_targets(code, 3)
    operation, form = sample(code, ids)
    actor = make_staff(Role.SUPER_ADMIN)
    moment = now()
    before = checksum.database()

    seen = operations.preview(operation, ids, form.params, actor=actor, now=moment)

    assert checksum.database() == before
    done = perform(operation, ids, form.params, actor=actor, now=moment, reason="as previewed")
    assert [(r.target_id, r.outcome, r.before, r.after) for r in seen.rows] == [
        (r.target_id, r.outcome, r.before, r.after) for r in done.rows
    ]
    assert len(done.changed) == len(ids)
    assert checksum.database() != before


@every_operation
def test_operation_leaves_one_receipt_and_one_entry_per_target(code):
    ids = make_targets(code, 2)
    operation, form = sample(code, ids)
    actor = make_staff(Role.SUPER_ADMIN)
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))

    done = perform(operation, ids, form.params, actor=actor, now=now(), reason="why", ticket="T-1")

    act = Act.objects.get(pk=done.act_id)
    assert (act.code, act.actor_id, act.reason, act.ticket) == (code, actor.pk, "why", "T-1")
    assert (act.changed, act.unchanged, act.refused) == (len(ids), 0, 0)
    assert Receipt.objects.filter(act=act).count() == len(ids)
    entries = AuditEntry.objects.filter(act_id=act.pk).select_related("personal")
    assert {entry.target_id for entry in entries} == set(ids)
    for entry in entries:
        assert entry.action == code
        assert entry.actor_id == actor.pk
        assert entry.changes or entry.personal.changes
        assert entry.personal.actor_name == actor.username
        assert entry.personal.target_name == names[entry.target_id]


@every_operation
def test_operation_takes_as_many_statements_for_one_as_for_a_thousand(code):
    if not registered()[code].many:
        pytest.skip("it is done to one user at a time")
    one, thousand = make_users(1), make_users(1_000)
    operation, form = sample(code, one)
    SAMPLES[code]["prepare"](thousand)
    actor = make_staff(Role.SUPER_ADMIN)
    counts = []
    for ids in (one, thousand):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            done = perform(operation, ids, form.params, actor=actor, now=now(), reason="count")
        assert len(done.changed) == len(ids)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@every_operation
def test_operation_undone_restores_what_was(code):
    ids = make_targets(code, 3)
    operation, form = sample(code, ids)
    actor = make_staff(Role.SUPER_ADMIN)
    before = state(ids)
    done = perform(operation, ids, form.params, actor=actor, now=now(), reason="oops")
    assert state(ids) != before

    act = Act.objects.get(pk=done.act_id)
    if operation.inverse is None:
        with pytest.raises(operations.OperationRefused, match="no undo"):
            undo(operation, act, actor=actor, now=now(), reason="undo")
        return
    undone = undo(operation, act, actor=actor, now=now(), reason="undo")

    assert len(undone.changed) == len(ids)
    assert state(ids) == before
    assert Act.objects.get(pk=undone.act_id).undoes_id == act.pk
    with pytest.raises(operations.OperationRefused, match="already"):
        undo(operation, act, actor=actor, now=now(), reason="again")


def _access(ids):
    """How many sessions and working keys each has."""
    return {
        pk: {
            "sessions": Session.objects.filter(user=pk).count(),
            "api_keys": ApiKey.objects.filter(user=pk, revoked_at=None).count(),
        }
        for pk in ids
    }


def _changed(before, after):
    return {
        pk: {name: [was[name], after[pk][name]] for name in was if was[name] != after[pk][name]}
        for pk, was in before.items()
    }


def _recorded(act_id):
    entries = AuditEntry.objects.filter(act_id=act_id)
    return {
        entry.target_id: {
            name: pair
            for name, pair in entry.changes.items()
            if name in ("sessions", "api_keys") and pair[0] != pair[1]
        }
        for entry in entries
    }


@every_operation
def test_operation_and_its_undo_name_the_sessions_and_keys_that_they_change(code):
    ids = make_targets(code, 2)
    operation, form = sample(code, ids)
    actor = make_staff(Role.SUPER_ADMIN)
    _signed_in(ids)
    _with_access(ids)
    before = _access(ids)

    done = perform(operation, ids, form.params, actor=actor, now=now(), reason="x")

    assert _recorded(done.act_id) == _changed(before, _access(ids))
    if operation.inverse is None:
        return
    _signed_in(ids)
    before = _access(ids)
    act = Act.objects.get(pk=done.act_id)
    undone = undo(operation, act, actor=actor, now=now(), reason="undo")
    assert _recorded(undone.act_id) == _changed(before, _access(ids))


@every_operation
def test_operation_repeated_with_the_same_id_acts_once(code):
    ids = make_users(1)
    operation, form = sample(code, ids)
    actor = make_staff(Role.SUPER_ADMIN)
    act_id = uuid.uuid4()
    again = lambda: perform(  # noqa: E731
        operation, ids, form.params, actor=actor, now=now(), reason="twice", act_id=act_id
    )
    again()
    before = checksum.database()
    with pytest.raises(execution.AlreadyPerformed):
        again()
    assert checksum.database() == before


@every_operation
def test_operation_on_oneself_is_refused(code):
    actor = make_staff(Role.SUPER_ADMIN)
    operation, form = sample(code, [actor.pk])
    before = checksum.database()
    done = perform(operation, [actor.pk], form.params, actor=actor, now=now(), reason="x")
    assert [row.refusal.sentence for row in done.refused] == [
        "This is your own account; ask a colleague."
    ]
    assert checksum.database() == before


@every_operation
@pytest.mark.parametrize(
    ("actor_role", "target_role"),
    [
        (Role.USER_ADMIN, Role.USER_ADMIN),
        (Role.USER_ADMIN, Role.SUPER_ADMIN),
        (Role.SUPER_ADMIN, Role.SUPER_ADMIN),
    ],
)
def test_operation_on_an_equal_or_higher_rank_is_refused(code, actor_role, target_role):
    target = make_staff(target_role)
    operation, form = sample(code, [target.pk])
    before = state([target.pk])
    act = {"actor": make_staff(actor_role), "now": now(), "reason": "x"}
    if roles.grant(actor_role, code) == "–":
        with pytest.raises(PermissionDenied):
            perform(operation, [target.pk], form.params, **act)
    else:
        done = perform(operation, [target.pk], form.params, **act)
        assert len(done.refused) == 1
    assert state([target.pk]) == before


@every_operation
def test_operation_on_a_vanished_user_is_refused_and_spares_the_others(code):
    ids = make_users(1) if registered()[code].many else []
    operation, form = sample(code, ids)
    done = perform(
        operation,
        [*ids, 10**15],
        form.params,
        actor=make_staff(Role.SUPER_ADMIN),
        now=now(),
        reason="x",
    )
    assert [row.target_id for row in done.changed] == ids
    assert [row.target_id for row in done.refused] == [10**15]


def _post(client, url, code, **more):
    data = SAMPLES[code]["data"] | more
    page = client.post(url, data | {"step": "preview"})
    if page.status_code != 200:
        return page
    form_values = page.context["attempt"]
    return client.post(
        url,
        data
        | {
            "step": "ask" if form_values.receipts and form_values.receipts.approval else "confirm",
            "act": str(form_values.act_id),
            "seen": form_values.seen if form_values.receipts else "",
            "previewed": form_values.fingerprint,
        },
    )


@every_operation
@pytest.mark.parametrize("role", [role for role in Role if role != Role.NONE])
def test_operation_page_does_it_for_permitted_roles_and_writes_nothing_for_others(code, role):
    [target] = make_users(1)
    sample(code, [target])
    actor = make_staff(role)
    client = Client()
    client.force_login(actor)
    before, facts = checksum.database(), state([target])

    response = _post(client, reverse("operate:one", args=[target, code]), code)

    if roles.grant(role, code) == "–":
        assert response.status_code == 403
        assert checksum.database() == before
        return
    assert response.status_code == 302, response.content.decode()
    if takes_two(code, role):
        assert response["Location"].startswith(reverse("approvals:list"))
        assert state([target]) == facts
    else:
        assert response["Location"] == reverse("user", args=[target])
        assert state([target]) != facts


@every_operation
@pytest.mark.parametrize("role", [None, Role.NONE])
def test_operation_page_refuses_strangers_and_writes_nothing(code, role):
    [target] = make_users(1)
    sample(code, [target])
    client = Client()
    if role is not None:
        client.force_login(make_user())
    before = checksum.database()
    response = client.post(
        reverse("operate:one", args=[target, code]), SAMPLES[code]["data"] | {"step": "confirm"}
    )
    assert response.status_code in (302, 403)
    if response.status_code == 302:
        assert reverse("account:sign_in") in response["Location"]
    assert checksum.database() == before


@every_operation
def test_operation_page_confirms_only_what_was_previewed(code):
    [target] = make_users(1)
    sample(code, [target])
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    before = checksum.database()
    response = client.post(
        reverse("operate:one", args=[target, code]),
        SAMPLES[code]["data"] | {"step": "confirm", "previewed": "something else"},
    )
    assert response.status_code == 200
    assert response.context["attempt"].receipts.changed
    assert checksum.database() == before


@every_operation
def test_operation_page_of_a_vanished_user_is_a_404(code):
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    assert client.get(reverse("operate:one", args=[10**15, code])).status_code == 404


@every_operation
def test_operation_without_a_reason_keeps_what_was_typed(code):
    [target] = make_users(1)
    sample(code, [target])
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    typed = SAMPLES[code]["data"] | {"reason": "", "ticket": "T-4711", "step": "confirm"}
    response = client.post(reverse("operate:one", args=[target, code]), typed)
    assert response.status_code == 200
    asked = registered()[code].form(now=now()).fields["reason"].required
    assert ("reason" in response.context["form"].errors) == asked
    assert "T-4711" in response.content.decode()


@every_operation
def test_operation_in_the_row_does_it_without_leaving_the_table(code):
    [target] = make_users(1)
    sample(code, [target])
    client = Client(headers={"HX-Request": "true"})
    client.force_login(make_staff(Role.SUPER_ADMIN))
    before = state([target])
    response = _post(client, reverse("operate:one", args=[target, code]), code)
    assert response.status_code == 200
    if takes_two(code, Role.SUPER_ADMIN):
        assert "Waiting for approval" in response.content.decode()
        assert state([target]) == before
        return
    assert json.loads(response["HX-Trigger"]) == {"user-changed": {"id": target}}
    assert state([target]) != before


UNDONE = [
    code
    for code, one in registered().items()
    if one.inverse is not None and not takes_two(code, Role.SUPER_ADMIN)
]


@pytest.mark.parametrize("code", sorted(UNDONE))
def test_operation_undone_in_the_row_stays_in_the_table(code):
    [target] = make_users(1)
    actor = make_staff(Role.SUPER_ADMIN)
    operation, form = sample(code, [target])
    before = state([target])
    done = perform(operation, [target], form.params, actor=actor, now=now(), reason="oops")
    client = Client(headers={"HX-Request": "true"})
    client.force_login(actor)
    url = reverse("operate:undo", args=[done.act_id])

    response = client.post(url)

    assert response.status_code == 200
    assert json.loads(response["HX-Trigger"]) == {"user-changed": {"id": target}}
    assert "Undone for 1." in response.content.decode()
    assert url not in response.content.decode()
    assert state([target]) == before
    again = client.post(url)
    assert again.status_code == 200
    assert "It was undone already." in again.content.decode()


@pytest.mark.parametrize("query", ["q=ana&sort=-credits", "", "q=%0d%0aX: 1&x=[//evil.example"])
def test_operation_from_a_list_leads_back_to_the_list_with_its_query(query):
    [target] = make_users(1)
    code = "billing.adjust_credits"
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    response = _post(client, reverse("operate:one", args=[target, code]), code, list=query)
    assert response.status_code == 302
    there = response["Location"]
    assert there.startswith("/admin/users/?q=" if query else "/admin/users/")
    assert "\n" not in there
    act = Act.objects.get(code=code)
    undone = client.post(reverse("operate:undo", args=[act.pk]), {"list": query})
    assert undone["Location"] == there
    again = client.post(reverse("operate:undo", args=[act.pk]), {"list": query})
    assert again["Location"] == there


def test_rows_tell_the_pages_of_acts_the_list_they_stand_on():
    user = make_user("ana")
    client = Client()
    client.force_login(make_staff(Role.SUPER_ADMIN))
    html = client.get(reverse("users:list"), {"q": "ana -is:banned"}).content.decode()
    menu = f"/admin/users/{user.pk}/acts/?list=q%3Dana%2B-is%253Abanned"
    assert f'href="{menu}"' in html
    page = client.get(menu).content.decode()
    assert f'{user.pk}/users.suspend/?list=q%3Dana%2B-is%253Abanned"' in page
    assert 'href="/admin/users/?q=ana+-is%3Abanned"' in page


def test_menu_greys_what_is_refused_and_leaves_out_what_the_role_lacks():
    actor = make_staff(Role.USER_ADMIN)
    [customer], colleague = make_users(1), make_staff(Role.USER_ADMIN)
    menus = operations.menus(
        list(registered().values()), [customer, colleague.pk], actor=actor, now=now()
    )
    of_customer = {item.operation.code: item.refusal for item in menus[customer]}
    assert of_customer["users.suspend"] == ""
    assert of_customer["users.lift_restriction"] == "Not restricted."
    assert all(item.refusal for item in menus[colleague.pk])
    reader = make_staff(Role.READ_ONLY)
    assert operations.menus(list(registered().values()), [customer], actor=reader, now=now()) == {
        customer: []
    }


def test_menus_take_as_many_queries_for_fifty_as_for_one(django_assert_num_queries):
    actor, ids = make_staff(Role.SUPER_ADMIN), make_users(50)
    listed = list(registered().values())
    with CaptureQueriesContext(connection) as queries:
        operations.menus(listed, ids[:1], actor=actor, now=now())
    with django_assert_num_queries(len(queries)):
        operations.menus(listed, ids, actor=actor, now=now())


def test_perform_on_more_than_a_thousand_is_refused_with_the_reason():
    operation = registered()["users.suspend"]
    with pytest.raises(
        operations.OperationRefused, match="1,001 users are selected; at most 1,000"
    ):
        perform(
            operation, range(1_001), {}, actor=make_staff(Role.SUPER_ADMIN), now=now(), reason="x"
        )


def test_undo_of_a_suspension_lifted_meanwhile_is_refused_for_that_user():
    ids = make_users(2)
    operation, form = sample("users.suspend", ids)
    actor = make_staff(Role.SUPER_ADMIN)
    done = perform(operation, ids, form.params, actor=actor, now=now(), reason="x")
    services.lift_restriction([ids[0]], actor=actor, reason="by hand")
    act = Act.objects.get(pk=done.act_id)
    undone = undo(operation, act, actor=actor, now=now(), reason="undo")
    assert [row.target_id for row in undone.changed] == [ids[1]]
    assert [row.target_id for row in undone.refused] == [ids[0]]


def test_undo_after_thirty_days_is_refused():
    ids = make_users(1)
    operation, form = sample("users.suspend", ids)
    actor = make_staff(Role.SUPER_ADMIN)
    done = perform(operation, ids, form.params, actor=actor, now=now(), reason="x")
    act = Act.objects.get(pk=done.act_id)
    with pytest.raises(operations.OperationRefused, match="30 days"):
        undo(operation, act, actor=actor, now=now() + timedelta(days=31), reason="late")


def test_undo_of_an_act_from_above_is_refused():
    ids = make_users(1)
    operation, form = sample("billing.adjust_credits", ids)
    boss, deputy = make_staff(Role.SUPER_ADMIN), make_staff(Role.USER_ADMIN)
    done = perform(operation, ids, form.params, actor=boss, now=now(), reason="x")
    act = Act.objects.get(pk=done.act_id)
    with pytest.raises(operations.OperationRefused, match="ranks above you"):
        undo(operation, act, actor=deputy, now=now(), reason="undo")
    assert undo(operation, act, actor=boss, now=now(), reason="undo").changed


def test_undo_of_an_act_on_many_needs_the_right_to_act_on_many():
    ids = make_users(2)
    operation, form = sample("users.suspend", ids)
    done = perform(
        operation, ids, form.params, actor=make_staff(Role.USER_ADMIN), now=now(), reason="x"
    )
    act = Act.objects.get(pk=done.act_id)
    assert operations.why_not_undo(
        operation, act, actor=make_staff(Role.SUPPORT), now=now()
    ).startswith("Your role acts on one user")


def test_undo_of_overlapping_suspensions_in_either_order_brings_the_keys_back():
    for first, second in ((0, 1), (1, 0)):
        ids = make_users(1)
        operation, form = sample("users.suspend", ids)
        actor = make_staff(Role.SUPER_ADMIN)
        acts = []
        for reason_code in ("spam", "chargeback"):
            params = form.params | {"reason_code": reason_code}
            done = perform(operation, ids, params, actor=actor, now=now(), reason="x")
            acts.append(Act.objects.get(pk=done.act_id))
        undone = undo(operation, acts[first], actor=actor, now=now(), reason="undo")
        assert not ApiKey.objects.filter(user__in=ids, revoked_at=None).exists()
        assert undone.changed[0].after["suspension"] is not None
        assert undone.changed[0].after["api_keys"] == 0
        undone = undo(operation, acts[second], actor=actor, now=now(), reason="undo")
        assert ApiKey.objects.filter(user__in=ids, revoked_at=None).count() == 1
        assert undone.changed[0].after == {"suspension": None, "api_keys": 1}


def test_suspending_twice_for_the_same_reason_suspends_once():
    ids = make_users(1)
    operation, form = sample("users.suspend", ids)
    actor = make_staff(Role.SUPER_ADMIN)
    perform(operation, ids, form.params, actor=actor, now=now(), reason="x")
    later = form.params | {"ends_at": form.params["ends_at"] + timedelta(seconds=3)}
    again = perform(operation, ids, later, actor=actor, now=now(), reason="x")
    assert again.unchanged
    longer = form.params | {"ends_at": form.params["ends_at"] + timedelta(days=3)}
    assert perform(operation, ids, longer, actor=actor, now=now(), reason="x").changed
