"""Acting over the API: the same operations, guards and record as on the page."""

import threading
import uuid
from decimal import Decimal

import pytest
from django.db import connection

from audit.models import Act, AuditEntry, Receipt
from audit.people import SYSTEM
from audit.registry import operations as registered
from billing.models import Account
from tests import checksum
from tests.api.conftest import Caller, in_session, keyed, make_service_key
from tests.clients import step_down
from tests.factories import make_staff, make_users
from tests.test_operations import SAMPLES, state, takes_two
from tests.users.uploads import files
from users import roles
from users.roles import Role

pytestmark = pytest.mark.django_db
ADJUST = "/api/v1/operations/billing.adjust_credits/"
SUSPEND = "/api/v1/operations/users.suspend/"
SPAM = {"reason_code": "spam", "ends_at": "3d", "reason": "spam wave"}


def gift(*users, delta="12.5", **more):
    return {"users": list(users), "delta": delta, "reason": "a gift", **more}


# Doing


def test_act_answers_with_counts_and_a_receipt_for_each(admin):
    ids = make_users(3)
    answer = admin.send(ADJUST, gift(*ids, 10**15, ticket="T-1"), key="one")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["changed"], body["unchanged"], body["refused"]) == (3, 0, 1)
    assert body["receipts"][0] == {
        "user": ids[0],
        "name": body["receipts"][0]["name"],
        "outcome": "changed",
        "before": {"credits": "0"},
        "after": {"credits": "12.5"},
        "refusal": None,
        "version": None,
    }
    assert body["receipts"][-1]["refusal"] == "This user does not exist any more."
    act = Act.objects.get(pk=body["operation_id"])
    assert (act.actor_id, act.reason, act.ticket) == (admin.user.pk, "a gift", "T-1")
    assert {a.balance for a in Account.objects.filter(user__in=ids)} == {Decimal("12.5")}


@pytest.mark.parametrize("code", sorted(registered()))
def test_every_operation_previews_and_does_over_the_api_what_it_does_on_the_page(admin, code):
    from tests.test_operations import sample

    [target] = make_users(1)
    sample(code, [target])
    form = registered()[code].form(now=None)
    data = {name: value for name, value in SAMPLES[code]["data"].items() if value != ""}
    body = {"users": [target], **_typed(form, data)}
    before, facts = checksum.database(), state([target])
    seen = admin.send(f"/api/v1/operations/{code}/preview/", body)
    assert seen.status_code == 200, seen.text
    assert seen.json()["operation_id"] is None
    assert checksum.database() == before
    if registered()[code].needs_seen:
        body["seen"] = {str(target): seen.json()["receipts"][0]["version"]}
    done = admin.send(f"/api/v1/operations/{code}/", body, key="k")
    if takes_two(code, Role.SUPER_ADMIN):
        assert (done.status_code, done.json()["code"]) == (409, "approval_required")
        assert state([target]) == facts
        return
    assert done.status_code == 200, done.text
    assert done.json()["changed"] == seen.json()["changed"] == 1
    assert done.json()["receipts"][0]["outcome"] == "changed"
    assert state([target]) != facts


def _typed(form, data):
    """What a page sends as text, as JSON types."""
    from users.api.bodies import of_operation

    schema = {"properties": {}}
    operation = next(one for one in registered().values() if isinstance(form, one.form))
    schema = of_operation(operation, form)["properties"]
    convert = {"integer": int, "boolean": lambda text: text in ("on", "true", True), "array": list}
    return {
        name: convert.get(schema[name]["type"], str)(value)
        for name, value in data.items()
        if name in schema
    }


def test_key_acts_within_its_scopes_and_stands_in_the_log_by_name():
    [target] = make_users(1)
    issued = make_service_key("users.suspend", name="abuse watcher")
    answer = Caller(issued.token).send(SUSPEND, {"users": [target], **SPAM})
    assert answer.json()["changed"] == 1, answer.text
    entry = AuditEntry.objects.select_related("personal").get(act_id=answer.json()["operation_id"])
    assert entry.actor_id is None
    assert entry.personal.actor_name == f"abuse watcher (key #{issued.key.pk})"


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.SUPPORT, Role.USER_ADMIN, Role.SUPER_ADMIN])
def test_key_never_touches_staff(key, role):
    staff = make_staff(role)
    before = checksum.database()
    answer = key.send(SUSPEND, {"users": [staff.pk], **SPAM})
    assert (answer.json()["changed"], answer.json()["refused"]) == (0, 1)
    assert answer.json()["receipts"][0]["refusal"] == "Ranks at or above you."
    assert answer.json()["operation_id"] is None
    assert checksum.database() == before


@pytest.mark.parametrize("code", sorted(registered()))
def test_key_never_does_what_needs_step_up(code):
    from users.service_actor import scopes

    [target] = make_users(1)
    caller = Caller(make_service_key(*roles.ROWS).token)
    before = checksum.database()
    answer = caller.send(f"/api/v1/operations/{code}/", {"users": [target]}, key="k")
    if code in scopes():
        assert answer.status_code == 400  # it may; the body is what is wrong
    else:
        assert (answer.status_code, answer.json()["code"]) == (403, "not_for_keys")
    assert checksum.database() == before


def test_key_acts_on_one_at_a_time(key):
    before = checksum.database()
    answer = key.send(SUSPEND, {"users": make_users(2), **SPAM})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_for_keys")
    assert AuditEntry.objects.filter(action="users.suspend").count() == 0
    assert before["audit_act"] == checksum.database()["audit_act"]


def test_key_suspends_for_seven_days_at_most(key):
    [target] = make_users(1)
    answer = key.send(SUSPEND, {"users": [target], **SPAM, "ends_at": "14d"})
    assert (answer.status_code, answer.json()["code"]) == (409, "refused")


def test_act_that_needs_step_up_asks_for_it_and_writes_nothing():
    [target] = make_users(1)
    caller = in_session(Role.USER_ADMIN)
    step_down(caller)
    before = checksum.database()
    answer = caller.send(ADJUST, gift(target), key="k")
    assert (answer.status_code, answer.json()["code"]) == (403, "step_up_required")
    assert checksum.database() == before
    assert caller.send(f"{ADJUST}preview/", gift(target)).status_code == 200


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
def test_role_without_the_permission_is_refused_and_nothing_written(role):
    ids = make_users(2)
    caller = in_session(role)
    before = checksum.database()
    answer = caller.send(SUSPEND, {"users": ids, **SPAM})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert checksum.database() == before


def test_signed_in_caller_without_csrf_token_is_refused():
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(make_staff(Role.SUPER_ADMIN))
    [target] = make_users(1)
    before = checksum.database()
    answer = client.post(SUSPEND, {"users": [target], **SPAM}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert checksum.database() == before
    assert client.get("/api/v1/operations/").status_code == 200


def test_preconditions_travel_with_the_act(admin):
    from tests.test_operations import sample
    from users.restrictions import services

    code = "users.lift_restriction"
    [target] = make_users(1)
    sample(code, [target])
    body = {"users": [target], "kind": "suspension", "reason": "appeal"}
    address = f"/api/v1/operations/{code}/"
    [row] = admin.send(f"{address}preview/", body).json()["receipts"]
    services.suspend(
        [target], actor=SYSTEM, reason_code="chargeback", ends_at=None, reason="meanwhile"
    )
    answer = admin.send(address, body | {"seen": {str(target): row["version"]}})
    assert answer.json()["refused"] == 1, answer.text
    assert "changed since" in answer.json()["receipts"][0]["refusal"]


SET = "/api/v1/operations/billing.set_credits/"


def test_credits_are_set_only_by_who_says_what_they_saw(admin):
    [target] = make_users(1)
    body = {"users": [target], "balance": "50", "reason": "as agreed"}
    before = checksum.database()
    answer = admin.send(SET, body, key="k")
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"] == [{"pointer": "/seen", "detail": "This is required."}]
    assert checksum.database() == before


def test_credits_that_moved_since_they_were_seen_are_a_conflict_that_can_be_mended(admin):
    first, second = make_users(2)
    body = {"users": [first], "balance": "50", "reason": "as agreed"}
    [row] = admin.send(f"{SET}preview/", body).json()["receipts"]
    assert admin.send(ADJUST, gift(first), key="meanwhile").status_code == 200
    before = checksum.database()
    answer = admin.send(SET, body | {"seen": {str(first): row["version"]}}, key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "stale"), answer.text
    assert "changed since you looked" in answer.json()["detail"]
    assert checksum.database() == before
    rows = admin.send(f"{SET}preview/", body | {"users": [first, second]}).json()["receipts"]
    seen = {str(row["user"]): row["version"] for row in rows}
    stale = seen | {str(first): seen[str(first)] - 1}
    both = body | {"users": [first, second]}
    spared = admin.send(SET, both | {"seen": stale}, key="k").json()
    assert (spared["changed"], spared["refused"]) == (1, 1)


# Bodies that are wrong


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"users": []}, "/users"),
        ({"users": [1, 1]}, "/users"),
        ({"users": ["1"]}, "/users"),
        ({"users": [True]}, "/users"),
        ({"users": [0]}, "/users"),
        ({"users": [2**63]}, "/users"),
        ({"users": list(range(1, 1002))}, "/users"),
        ({"users": 1}, "/users"),
        ({"users": None}, "/users"),
        ({"delta": 5}, "/delta"),
        ({"delta": True}, "/delta"),
        ({"delta": ["5"]}, "/delta"),
        ({"delta": {"a": 1}}, "/delta"),
        ({"delta": "1_000"}, "/delta"),
        ({"delta": "１２"}, "/delta"),
        ({"delta": "-0"}, "/delta"),
        ({"delta": "1e3"}, "/delta"),
        ({"delta": "NaN"}, "/delta"),
        ({"delta": "0.0000001"}, "/delta"),
        ({"delta": "9" * 40}, "/delta"),
        ({"reason": ""}, "/reason"),
        ({"reason": "   "}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"ticket": "x" * 101}, "/ticket"),
        ({"balance": "5"}, "/balance"),
        ({"role": "super_admin"}, "/role"),
        ({"csrfmiddlewaretoken": "x"}, "/csrfmiddlewaretoken"),
        ({"act": "x"}, "/act"),
        ({"a/b~c": "x"}, "/a~1b~0c"),
    ],
)
def test_wrong_body_is_a_400_that_points_at_it_and_writes_nothing(admin, change, pointer):
    [target] = make_users(1)
    before = checksum.database()
    answer = admin.send(ADJUST, gift(target) | change, key="k")
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid"
    assert pointer in [mistake["pointer"] for mistake in answer.json()["errors"]]
    assert checksum.database() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("[1]", 400),
        ("1", 400),
        ('"x"', 400),
        ("null", 400),
        ("{", 400),
        ('{"users": [1], "users": [2]}', 400),
        ('{"users": [NaN]}', 400),
        ('{"delta": "\\u0000"}', 400),
        ('{"delta": "\\ud800"}', 400),
        ('{"delta": "1", "users": [1], "reason": "half \\ud83d"}', 400),
        ("[" * 100_000, 400),
        (b"\xff\xfe", 400),
        ("{}" + " " * 3_000_000, 413),
    ],
)
def test_body_that_is_no_json_object_is_refused(admin, body, status):
    before = checksum.database()
    answer = admin.send(ADJUST, body, key="k")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert checksum.database() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_other_content_is_a_415(admin, kind):
    answer = admin.post(SUSPEND, "users=1", content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


# Once


@pytest.mark.parametrize("key", ["a b", None, "", " ", "é", "x" * 256, "a\tb"])
def test_money_needs_an_idempotency_key(admin, key):
    [target] = make_users(1)
    before = checksum.database()
    answer = admin.send(ADJUST, gift(target), key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key")
    assert checksum.database() == before


def test_same_request_again_gets_the_first_answer(admin):
    [target] = make_users(1)
    first = admin.send(ADJUST, gift(target), key="k")
    again = admin.send(ADJUST, gift(target), key="k")
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.content == again.content
    assert Account.objects.get(user=target).balance == Decimal("12.5")


def test_same_key_for_another_request_is_a_409(admin):
    [target] = make_users(1)
    admin.send(ADJUST, gift(target), key="k")
    before = checksum.database()
    answer = admin.send(ADJUST, gift(target, delta="13"), key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")
    assert "“k”" in answer.json()["detail"]
    assert checksum.database() == before


def test_keys_of_two_callers_are_apart(admin):
    [target] = make_users(1)
    admin.send(ADJUST, gift(target), key="k")
    other = in_session().send(ADJUST, gift(target), key="k")
    assert "Idempotency-Replayed" not in other.headers
    assert Account.objects.get(user=target).balance == Decimal(25)


def test_refused_request_may_be_sent_again_with_the_same_key(admin):
    [target] = make_users(1)
    assert admin.send(ADJUST, gift(target, delta="x"), key="k").status_code == 400
    assert admin.send(ADJUST, gift(target), key="k").json()["changed"] == 1


@pytest.mark.django_db(transaction=True)
def test_same_request_sent_by_many_at_once_is_done_once():
    [target] = make_users(1)
    admin = in_session()
    session, answers = admin.cookies, []
    start = threading.Barrier(6)

    def send():
        caller = Caller()
        caller.cookies = session
        start.wait()
        answers.append(caller.send(ADJUST, gift(target), key="race"))
        connection.close()

    threads = [threading.Thread(target=send) for _each in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.content for answer in answers}) == 1
    assert Account.objects.get(user=target).balance == Decimal("12.5")
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5


# What was done


def test_receipts_come_in_pages_by_id(admin):
    ids = make_users(450)
    done = admin.send(SUSPEND, {"users": ids, **SPAM}).json()
    link, seen = f"/api/v1/acts/{done['operation_id']}/receipts/", []
    pages = 0
    while link:
        body = admin.get(link).json()
        seen += [row["user"] for row in body["results"]]
        link, pages = body["next"], pages + 1
    assert (seen, pages) == (ids, 3)
    first = f"/api/v1/acts/{done['operation_id']}/receipts/"
    assert admin.get(f"{first}?outcome=refused").json() == {"results": [], "next": None}
    for wrong in ("outcome=all", "after=x", "after=" + "9" * 19, "page=2", "after=1&after=2"):
        assert admin.get(f"{first}?{wrong}").status_code == 400


def test_undo_restores_and_is_itself_an_act(admin):
    ids = make_users(2)
    before = state(ids)
    done = admin.send(ADJUST, gift(*ids), key="k").json()
    address = f"/api/v1/acts/{done['operation_id']}/"
    assert admin.send(f"{address}undo/", {"reason": "oops"}).status_code == 400  # money: no key
    undone = admin.send(f"{address}undo/", {"reason": "oops"}, key="u")
    assert undone.json()["changed"] == 2, undone.text
    assert state(ids) == before
    assert admin.get(address).json()["undone_by"] == undone.json()["operation_id"]
    again = admin.send(f"{address}undo/", {"reason": "oops"}, key="other")
    assert (again.status_code, again.json()["code"]) == (409, "refused")
    replay = admin.send(f"{address}undo/", {"reason": "oops"}, key="u")
    assert replay.json() == undone.json()


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": 1}, {"x": "y"}])
def test_undo_without_a_reason_is_a_400(admin, body):
    [target] = make_users(1)
    done = admin.send(SUSPEND, {"users": [target], **SPAM}).json()
    before = checksum.database()
    answer = admin.send(f"/api/v1/acts/{done['operation_id']}/undo/", body)
    assert answer.status_code == 400
    assert checksum.database() == before


def test_key_undoes_its_own_acts_and_knows_of_no_others(admin):
    one, two = keyed("users.suspend"), keyed("users.suspend")
    [target] = make_users(1)
    done = one.send(SUSPEND, {"users": [target], **SPAM}).json()
    address = f"/api/v1/acts/{done['operation_id']}/"
    of_staff = admin.send(SUSPEND, {"users": make_users(1), **SPAM}).json()
    for caller, place in ((two, address), (one, f"/api/v1/acts/{of_staff['operation_id']}/")):
        for answer in (
            caller.get(place),
            caller.get(f"{place}receipts/"),
            caller.send(f"{place}undo/", {"reason": "x"}),
        ):
            assert answer.status_code == 404
    assert one.get(address).json()["changed"] == 1
    assert one.send(f"{address}undo/", {"reason": "mistaken"}).json()["changed"] == 1


def test_key_that_reads_the_log_undoes_nothing_of_staff_or_the_system(admin):
    caller = keyed("audit.inspect", "users.suspend")
    done = admin.send(SUSPEND, {"users": make_users(1), **SPAM}).json()
    address = f"/api/v1/acts/{done['operation_id']}/"
    assert caller.get(address).status_code == 200
    answer = caller.send(f"{address}undo/", {"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "refused")
    assert Receipt.objects.filter(act=done["operation_id"]).exists()
    assert not Act.objects.filter(undoes=done["operation_id"]).exists()


def test_support_sees_only_own_acts(admin):
    done = admin.send(SUSPEND, {"users": make_users(1), **SPAM}).json()
    support = in_session(Role.SUPPORT)
    assert support.get(f"/api/v1/acts/{done['operation_id']}/").status_code == 404
    assert support.get(f"/api/v1/acts/{uuid.uuid4()}/").status_code == 404


def test_catalogue_holds_what_the_caller_may(admin):
    body = admin.get("/api/v1/operations/").json()
    assert [line["code"] for line in body["results"]] == list(registered())
    adjust = next(line for line in body["results"] if line["code"] == "billing.adjust_credits")
    assert adjust["idempotency_key_required"]
    assert adjust["step_up"]
    assert adjust["body"]["required"] == ["users", "delta", "reason"]
    only = keyed("users.suspend").get("/api/v1/operations/").json()["results"]
    assert [(line["code"], line["many"], line["step_up"]) for line in only] == [
        ("users.suspend", False, False)
    ]


# The log


def test_audit_is_the_pages_list_masked_for_keys(admin):
    [target] = make_users(1)
    admin.send(ADJUST, gift(target), key="k")
    query = f"target=%23{target}&action=billing.adjust_credits"
    [row] = admin.get(f"/api/v1/audit/?{query}").json()["results"]
    assert row["actor"] == {"id": admin.user.pk, "name": admin.user.username}
    assert row["changes"] == [{"field": "credits", "before": "0", "after": "12.5"}]
    assert row["ip"] == "127.0.0.1"
    [masked] = keyed("audit.inspect").get(f"/api/v1/audit/?{query}").json()["results"]
    assert masked["ip"] != "127.0.0.1"
    assert in_session(Role.SUPPORT).get("/api/v1/audit/").json()["results"] == []
    assert keyed("users.browse").get("/api/v1/audit/").status_code == 403
    assert admin.get("/api/v1/audit/?actoin=1").status_code == 400


def test_import_of_users_is_read_like_any_other_act(admin):
    run = files.imported("username\nnewcomer\n")
    act = admin.get(f"/api/v1/acts/{run.pk}/")
    assert (act.status_code, act.json()["changed"]) == (200, 1)
    assert admin.get(f"/api/v1/acts/{run.pk}/receipts/").status_code == 200
