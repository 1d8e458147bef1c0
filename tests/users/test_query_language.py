"""The query language of the user table against plain Python over a crowd of every kind, who may ask
what, and how the page answers a wrong word."""

import random
from datetime import datetime, timedelta
from html import unescape

import pytest
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import example as case
from hypothesis import strategies as st

from coai_admin.console.filters import BadParameter
from coai_admin.console.listing import WrongFilter
from tests.factories import make_key, make_session, make_staff, make_user
from tests.users.crowd import NOW, make_crowd
from tests.users.test_table_page import HTMX, as_role, rows_in, text_of
from users.models import ApiKey, EmailChange, Note, Restriction, Session, Tag, Tagging, User
from users.roles import Role
from users.table import USERS
from users.table.completion import meant, offers
from users.table.words import ALIASES, WORDS, values_for, words_for

pytestmark = pytest.mark.django_db

LIST = reverse("users:list")
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        people = make_crowd(90, seed=9)
        vip, risky = Tag.objects.create(name="VIP"), Tag.objects.create(name="needs a call")
        for number, pk in enumerate(people):
            if number % 3 == 0:
                Tagging.objects.create(user_id=pk, tag=vip)
            if number % 5 == 0:
                Tagging.objects.create(user_id=pk, tag=risky)
        yield people
        transaction.set_rollback(True)


@pytest.fixture
def viewer():
    return make_staff(Role.SUPER_ADMIN, joined_at=datetime(2020, 1, 1, tzinfo=NOW.tzinfo))


def ask(text, viewer):
    parameters = QueryDict(mutable=True)
    parameters["q"] = text
    return USERS.read(parameters, viewer=viewer, now=NOW)


def found(text, viewer, among):
    return {pk for pk in ask(text, viewer).ids() if pk in among}


def number(people, pk):
    return list(people).index(pk)


MEANINGS = {
    "is:banned": lambda one: one.status == "banned",
    "is:suspended,banned": lambda one: one.status in {"suspended", "banned"},
    "is:banned,unverified": lambda one: one.status == "banned" or one.known_email == "pending",
    "is:active,closed,bouncing": lambda one: (
        one.status in {"active", "closed"} or one.known_email == "bouncing"
    ),
    "is:warned": lambda one: "warning" in one.kinds,
    "is:verified": lambda one: one.known_email == "verified",
    "is:subscribed": lambda one: one.subscription == "active",
    "is:staff": lambda one: one.role != "none",
    "has:email": lambda one: one.email is not None,
    "has:subscription": lambda one: one.subscription != "none",
    "tier:2,3": lambda one: one.tier in {2, 3},
    "tier:>0": lambda one: one.tier > 0,
    "tier:..1": lambda one: one.tier <= 1,
    "credits:<10": lambda one: one.credits < 10,
    "credits:0..50": lambda one: 0 <= one.credits <= 50,
    "credits:>50": lambda one: one.credits > 50,
    "used:0": lambda one: one.used == 0,
    "used:>=0.000001": lambda one: one.used > 0,
    "subscription:ended,none": lambda one: one.subscription != "active",
    "months:>=12": lambda one: one.months >= 12,
    "months:-1": lambda one: one.months == -1,
    "expires:7d": lambda one: one.ends_at is not None and NOW <= one.ends_at < NOW + 7 * DAY,
    "expires:>1d": lambda one: one.ends_at is not None and one.ends_at >= NOW + DAY,
    "expires:never": lambda one: one.subscription != "none" and one.ends_at is None,
    "expires:2026-11-21": lambda one: one.ends_at is not None and one.ends_at.day == 21,
    "ended:2d": lambda one: one.ends_at is not None and NOW - 2 * DAY <= one.ends_at <= NOW,
    "ended:>1d": lambda one: one.ends_at is not None and one.ends_at < NOW - DAY,
    "seen:2d": lambda one: one.seen is not None and one.seen >= NOW - 2 * DAY,
    "seen:>2d": lambda one: one.seen is not None and one.seen < NOW - 2 * DAY,
    "seen:never": lambda one: one.seen is None,
    "joined:>30h": None,
    "joined:today": lambda one: one.joined.date() == NOW.date(),
    "joined:>2d": lambda one: one.joined < NOW - 2 * DAY,
    "joined:2026-11-18..2026-11-19": lambda one: one.joined.day in {18, 19},
    "restricted:4d": lambda one: (
        "warning" in one.kinds or one.status in {"banned", "suspended", "limited"}
    ),
    "reason:spam": lambda one: "spam" in one.reasons,
    "reason:Chargeback,spam": lambda one: bool(one.reasons & {"chargeback", "spam"}),
    "password:never": lambda one: True,
    "password:>1y": lambda one: False,
    "name:ana": lambda one: "ana" in one.username.lower(),
    "name:ANA*": lambda one: one.username.lower().startswith("ana"),
    "name:o*neil*": lambda one: one.username.lower().startswith("o'neil"),
    "name:100%*": lambda one: one.username.startswith("100%"),
    "name:zoe_*": lambda one: one.username.startswith("zoe_"),
    "email:*@qq.com": lambda one: (one.email or "").lower().endswith("@qq.com"),
    "email:@gmail.com": lambda one: (one.email or "").lower().endswith("@gmail.com"),
    "email:x*": lambda one: (one.email or "").lower().startswith("x"),
    "email:*mail*org": lambda one: (
        "mail" in (one.email or "").lower() and (one.email or "").endswith("org")
    ),
    "email:none": lambda one: one.email is None,
    "country:cn,none": lambda one: one.country in {"CN", ""},
    "role:support,user_admin": lambda one: one.role in {"support", "user_admin"},
    "flag:was_admin": lambda one: "was_admin" in one.flags,
    "gmail": lambda one: "gmail" in (one.email or ""),
    '"mei.zhang"': lambda one: one.username.startswith("mei.zhang"),
    "小明": lambda one: one.username.startswith("小明"),
    "status:banned": lambda one: one.status == "banned",
}
del MEANINGS["joined:>30h"]
NOBODY = {"password:>1y"}


@pytest.mark.parametrize("text", MEANINGS)
def test_word_and_its_opposite_divide_the_crowd_as_python_does(text, crowd, viewer):
    expected = {pk for pk, one in crowd.items() if MEANINGS[text](one)}
    assert expected or text in NOBODY, "the crowd has nobody for this word"
    assert found(text, viewer, crowd) == expected
    assert found(f"-{text}", viewer, crowd) == crowd.keys() - expected


def test_words_together_must_all_hold(crowd, viewer):
    chance = random.Random(11)
    for _round in range(40):
        texts = chance.sample(sorted(MEANINGS), 3)
        signs = [chance.choice(["", "-"]) for _text in texts]
        query = " ".join(sign + text for sign, text in zip(signs, texts, strict=True))
        expected = {
            pk
            for pk, one in crowd.items()
            if all(
                bool(MEANINGS[text](one)) is not bool(sign)
                for sign, text in zip(signs, texts, strict=True)
            )
        }
        assert found(query, viewer, crowd) == expected, query


def test_tags_are_found_whatever_their_case(crowd, viewer):
    vip = {pk for pk in crowd if number(crowd, pk) % 3 == 0}
    risky = {pk for pk in crowd if number(crowd, pk) % 5 == 0}
    assert found("tag:vip", viewer, crowd) == vip
    assert found('tag:vip,"Needs a call"', viewer, crowd) == vip | risky
    assert found('tag:vip -tag:"needs a call"', viewer, crowd) == vip - risky
    assert found("tag:none", viewer, crowd) == crowd.keys() - vip - risky
    assert found("has:tag", viewer, crowd) == vip | risky
    assert found("tag:unheard-of", viewer, crowd) == set()


def test_ids_are_found_singly_and_as_a_range(crowd, viewer):
    first, second, *_rest = crowd
    assert found(f"id:{first},{second}", viewer, crowd) == {first, second}
    assert found(f"id:{first}..{second}", viewer, crowd) == {first, second}
    assert found(f"-id:>{first}", viewer, crowd) == {first}
    assert first in found(str(first), viewer, crowd)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("jose", "José JOSE josé̱"),
        ("josé", "José JOSE josé̱"),
        ("JOSÉ", "José JOSE josé̱"),
        ("name:jos*", "José JOSE josé̱"),
        ("name:*ose", "José JOSE josé̱"),
        ("name:=jose", "JOSE"),
        ("name:=JOSÉ", "José"),
        ("strasse", "Große_Straße"),
        ("straße", "Große_Straße"),
        ("nguyen", "Nguyễn"),
        ("名", "名前"),
        ("osé", "José JOSE josé̱"),
        ("se_st", "Große_Straße"),
        ("％_％", ""),
        ("100%", "100％"),
        ("name:xyz*＼", ""),
        ("el", ""),
        ("ela", "Élan"),
        ("él", "Élan"),
        ("-jose", "Große_Straße Nguyễn 名前 100％ Élan"),
    ],
)
def test_names_are_found_whatever_their_accents(text, hits, viewer):
    names = ("José", "JOSE", "josé̱", "Große_Straße", "Nguyễn", "名前", "100％", "Élan")
    users = {make_user(f"kept{number}").pk: name for number, name in enumerate(names)}
    for pk, name in users.items():
        User.objects.filter(pk=pk).update(username=name)
    assert {users[pk] for pk in found(text, viewer, users)} == set(hits.split())


def test_what_an_account_has_is_found(viewer):
    factor, key, noted, changing, plain = (make_user() for _each in range(5))
    Authenticator.objects.create(user=factor, type=Authenticator.Type.TOTP, data={})
    Authenticator.objects.create(user=plain, type=Authenticator.Type.RECOVERY_CODES, data={})
    make_key(key)
    ApiKey.objects.create(user=plain, digest=b"x" * 32, prefix="sk-77ff", revoked_at=NOW)
    Note.objects.create(user=noted, text="Call back", act_id="0" * 32)
    Note.objects.create(user=plain, text="Gone", act_id="0" * 32, withdrawn_at=NOW)
    EmailChange.objects.create(
        user=changing, new_email="new@example.org", expires_at=NOW + DAY, act_id="0" * 32
    )
    session = make_session(plain)
    everybody = {one.pk for one in (factor, key, noted, changing, plain)}
    assert found("has:2fa", viewer, everybody) == {factor.pk}
    assert found("has:key", viewer, everybody) == {key.pk}
    assert found("key:sk-77", viewer, everybody) == {plain.pk}
    assert found("has:note", viewer, everybody) == {noted.pk}
    assert found("has:email_change", viewer, everybody) == {changing.pk}
    assert found("has:session", viewer, everybody) == {plain.pk}
    Session.objects.filter(pk=session.pk).update(expire_date=NOW - DAY)
    assert found("has:session", viewer, everybody) == set()


def test_filters_find_what_their_words_find(viewer):
    factor, vip, changing, signed_in = (make_user() for _each in range(4))
    Authenticator.objects.create(user=factor, type=Authenticator.Type.TOTP, data={})
    Tagging.objects.create(user=vip, tag=Tag.objects.get_or_create(name="needs a call")[0])
    EmailChange.objects.create(
        user=changing, new_email="new@example.org", expires_at=NOW + DAY, act_id="0" * 32
    )
    Session.objects.filter(pk=make_session(signed_in).pk).update(ip="203.0.113.7")
    Restriction.objects.create(
        user=changing, kind="warning", reason_id="chargeback", starts_at=NOW - DAY
    )
    Restriction.objects.create(
        user=vip, kind="warning", reason_id="spam", starts_at=NOW - DAY, lifted_at=NOW
    )
    everybody = {one.pk for one in (factor, vip, changing, signed_in)}
    for query, hits in (
        ("second_factor=on", {factor.pk}),
        ("second_factor=off", everybody - {factor.pk}),
        ("tag=x, needs a call", {vip.pk}),
        ("email_change=pending", {changing.pk}),
        ("ip=203.0.113.0/24", {signed_in.pk}),
        ("reason=chargeback, spam", {changing.pk}),
    ):
        reading = USERS.read(QueryDict(query), viewer=viewer, now=NOW)
        assert {pk for pk in reading.ids() if pk in everybody} == hits, query
    for query in ("ip=203.0.113.7", "role=support"):
        with pytest.raises(BadParameter, match="no filter"):
            USERS.read(QueryDict(query), viewer=make_staff(Role.SUPPORT), now=NOW)


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("ip:203.0.113.7", "a"),
        ("203.0.113.7", "a"),
        ("ip:203.0.113.0/24", "ab"),
        ("ip:2001:db8::1", "c"),
        ("2001:DB8:0::1", "c"),
        ("ip:2001:db8::/32", "c"),
        ("ip:203.0.113.7,2001:db8::1", "ac"),
        ("ip:198.51.100.1", ""),
    ],
)
def test_people_are_found_by_where_they_signed_in_from(text, hits, viewer):
    users = {}
    for name, ip in (("a", "203.0.113.7"), ("b", "203.0.113.9"), ("c", "2001:db8::1")):
        users[name] = make_user()
        session = make_session(users[name])
        Session.objects.filter(pk=session.pk).update(ip=ip)
    ids = {one.pk for one in users.values()}
    assert found(text, viewer, ids) == {users[name].pk for name in hits}
    for role in (Role.SUPPORT, Role.READ_ONLY):
        masked = make_staff(role)
        if text.startswith("ip:"):
            with pytest.raises(WrongFilter, match="does not see"):
                ask(text, masked)
        else:
            assert found(text, masked, ids) == set()


@pytest.mark.parametrize(
    ("text", "word", "suggestion"),
    [
        ("is:baned", "baned", "banned"),
        ("tier:2 iss:banned", "iss", "is"),
        ("ana sen:7d", "sen", "seen"),
        ("is:banned,", ",", ""),
        ("tier:7", "7", ""),
        ("credits:many", "many", ""),
        ("-credits:<many x", "<many", ""),
        ("joined:todya", "todya", "today"),
        ("joined:>todya", ">todya", ">today"),
        ("expires:<30", "<30", "<30d"),
        ("seen:>90days", ">90days", ">90d"),
        ("joined:3months", "3months", "3m"),
        ("joined:30..60d", "30..60d", ""),
        ("joined:30minutes", "30minutes", ""),
        ("country:CHN", "CHN", ""),
        ("id:1e9", "1e9", ""),
        ("id:-5", "-5", ""),
        ("id:99999999999999999999", "99999999999999999999", ""),
        ("months:99999999999", "99999999999", ""),
        ("email:*a", "*a", ""),
        ("ip:300.1.1.1", "300.1.1.1", ""),
        ("ip:0.0.0.0/0", "0.0.0.0/0", ""),
        ("ip:fe80::1%eth0", "fe80::1%eth0", ""),
        ("key:sk", "sk", ""),
        ("role:king", "king", ""),
        ("reason:spam,chargback", "chargback", "chargeback"),
        ('x "open', '"open', ""),
    ],
)
def test_wrong_word_is_marked_where_it_stands(text, word, suggestion, viewer):
    with pytest.raises(WrongFilter) as refused:
        ask(text, viewer)
    wrong = refused.value.reading.filters.wrong
    assert text[wrong.start : wrong.end] == word
    assert wrong.suggestion == suggestion
    assert str(wrong) in str(refused.value)


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.READ_ONLY])
class TestMasked:
    """Roles that see masked addresses cannot find them out by asking."""

    @pytest.mark.parametrize(
        "text",
        [
            "email:gma",
            "email:a*",
            "-email:a*",
            "email:*mail*",
            "email:=a",
            "email:a@b",
            "email:*@gmail*",
            "email:a*@gmail.com",
            'email:"gmail"',
            "email:@gmail.com,x",
            "email:*@*.com",
        ],
    )
    def test_parts_of_an_address_are_refused(self, role, text):
        with pytest.raises(WrongFilter, match="masked"):
            ask(text, make_staff(role))

    def test_whole_address_and_domain_are_matched(self, role, crowd):
        viewer = make_staff(role)
        one = next(one for one in crowd.values() if one.email)
        domain = {pk for pk, other in crowd.items() if (other.email or "").endswith("@gmail.com")}
        assert found(f"email:{one.email.upper()}", viewer, crowd) == {one.pk}
        for text in ("email:*@gmail.com", "email:@gmail.com", "@gmail.com"):
            assert found(text, viewer, crowd) == domain
        assert found("-email:*@gmail.com", viewer, crowd) == crowd.keys() - domain

    @pytest.mark.parametrize("text", ["gmail", "qq.com", '"@gmail"', "-gmail", "mail.example"])
    def test_free_words_do_not_look_into_addresses(self, role, text, crowd):
        expected = crowd.keys() if text.startswith("-") else set()
        assert found(text, make_staff(role), crowd) == expected

    def test_no_word_tells_one_of_two_addresses_from_the_other(self, role):
        """The mask of both is the same: whatever is asked, both are found or neither."""
        first = make_user("twin.one", email="anna@example.com")
        other = make_user("twin.two", email="axel@elsewhere.com")
        viewer = make_staff(role)
        for text in ("anna", "example", "exampl", "anna@", "@example", "nna@example.com", "a*"):
            asked = {first.pk, other.pk}
            assert found(f"twin {text}", viewer, asked) in (set(), asked)


def test_support_does_not_find_out_who_holds_a_role():
    viewer = make_staff(Role.SUPPORT)
    for text in ("is:staff", "-is:staff", "role:support", "-role:none"):
        with pytest.raises(WrongFilter):
            ask(text, viewer)
    assert "role" not in words_for(viewer)
    assert "staff" not in values_for(WORDS["is"], viewer)


def test_every_example_of_the_table_is_understood(viewer):
    for word in WORDS.values():
        assert word.examples
        for example in word.examples:
            ask(example, viewer).count  # noqa: B018 (counting runs the statement)
            ask(f"-{example}", viewer).count  # noqa: B018
        for value in word.values:
            ask(f"{word.name}:{value}", viewer).count  # noqa: B018
    assert set(ALIASES.values()) <= WORDS.keys()
    assert not ALIASES.keys() & WORDS.keys()


WORD = st.sampled_from([*WORDS, *ALIASES, "foo"])
VALUE = st.one_of(
    st.sampled_from(
        [
            "banned",
            "7d",
            ">30d",
            "10",
            "<10",
            "never",
            "none",
            "*",
            "a*b",
            "2026",
            "1..2",
            "@x.y",
            "203.0.113.7",
            "::1",
            "'; DROP TABLE users_user; --",
            "%",
            "\\",
            "9" * 20,
            "é",
            "\ud83d\ude00",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20),
)
QUERY = st.lists(
    st.tuples(st.sampled_from(["", "-"]), WORD, VALUE).map(lambda p: f"{p[0]}{p[1]}:{p[2]}"),
    max_size=4,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=QUERY)
@case(parts=["name:\ud83d\ude00"])
def test_whatever_is_asked_is_answered_or_refused(parts, viewer):
    try:
        reading = ask(" ".join(parts), viewer)
    except BadParameter:
        return
    reading.page()


@pytest.mark.parametrize("name", ["q", "country", "sort", "columns", "foo", "na\ud83dme"])
@pytest.mark.parametrize("text", ["\ud83d", "a\ude00b", "name:\ud83d\ude00", "a\x00b"])
def test_what_no_database_can_hold_is_refused_before_it_is_asked(name, text, viewer):
    parameters = QueryDict(mutable=True)
    parameters[name] = text
    with pytest.raises(BadParameter) as refused:
        USERS.read(parameters, viewer=viewer, now=NOW)
    str(refused.value).encode()  # the page that says so can be sent


def test_bytes_that_are_half_a_surrogate_pair_are_another_character_in_an_address(crowd):
    assert as_role().get(f"{LIST}?q=%ED%A0%BD").status_code == 200


# The page


def test_old_addresses_go_on_working(crowd):
    client = as_role()
    user = make_user("old.address")
    assert rows_in(client.get(LIST, {"q": "OLD.addr"})) == [user.pk]
    assert rows_in(client.get(LIST, {"q": "old.address", "status": "active"})) == [user.pk]


def test_wrong_query_is_a_400_that_keeps_what_was_typed_and_marks_the_word():
    client = as_role()
    make_user("ana")
    response = client.get(LIST, {"q": "ana is:baned", "sort": "-credits"})
    html = response.content.decode()
    assert response.status_code == 400
    assert rows_in(response) == []
    assert 'value="ana is:baned"' in html
    assert 'ana is:<mark class="word-error">baned</mark>' in html
    assert "“baned” is none of" in text_of(response)
    assert f'href="{LIST}?sort=-credits&amp;q=ana+is%3Abanned"' in html


def test_wrong_query_by_htmx_is_a_422_beside_the_box():
    response = as_role().get(LIST, {"q": "is:baned"}, headers=HTMX)
    assert response.status_code == 422
    assert response.headers["HX-Retarget"] == "#query-error"
    assert b"<html" not in response.content
    assert b'data-start="3" data-end="8"' in response.content


def test_unfinished_word_changes_nothing_while_one_types():
    client = as_role()
    typing = {**HTMX, "HX-Trigger-Name": "q"}
    assert client.get(LIST, {"q": "is:"}, headers=typing).status_code == 204
    assert client.get(LIST, {"q": "is:baned"}, headers=typing).status_code == 422
    assert client.get(LIST, {"q": "is:"}, headers=HTMX).status_code == 422


def test_every_word_is_a_chip_with_its_way_out():
    html = as_role().get(LIST, {"q": "is:active -tag:vip ana", "tier": "0"}).content.decode()
    assert "Remove Is active" in html
    assert "Remove Not Tag vip" in html
    assert 'href="?tier=0&amp;q=is%3Aactive+ana" aria-label="Remove Not Tag vip"' in html
    assert 'href="?q=is%3Aactive+-tag%3Avip+ana" aria-label="Remove Tier 0"' in html


def test_all_that_match_a_query_are_selected(crowd):
    client = as_role()
    expected = {pk for pk, one in crowd.items() if one.credits > 50}
    ids = ",".join(map(str, crowd))
    response = client.post(
        f"{reverse('users:select')}?q=credits:>50&id={ids}", {"act": "all", "shown": ""}
    )
    assert f"{len(expected)} selected" in text_of(client.get(response.url))


@pytest.mark.parametrize("size", [1, 3])
def test_query_costs_no_more_statements_than_a_filter(size, django_assert_num_queries):
    client = as_role()
    users = [make_user(f"query.cost{n}") for n in range(size)]
    client.get(LIST)
    with django_assert_num_queries(STATEMENTS):
        response = client.get(LIST, {"q": "query.cost is:active tier:0 -tag:vip joined:7d"})
    assert len(rows_in(response)) == len(users)


STATEMENTS = 7  # session, person, views, count with ids, order of ids, restrictions, facts


# Help and completion


@pytest.mark.parametrize("role", [Role.SUPER_ADMIN, Role.SUPPORT])
def test_help_lists_every_word_that_one_may_use(role):
    client = as_role(role)
    text = unescape(text_of(client.get(reverse("users:words"))))
    may = words_for(User(role=role))
    for word in WORDS.values():
        assert (f" {word.name}: " in text) is (word.name in may)
        assert all(
            (example in text) is (word.name in may)
            for example in word.examples
            if '"' not in example
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cre", ["credits:"]),
        ("-cre", ["credits:"]),
        ("tier:2 cou", ["country:"]),
        ("ban", ["is:banned"]),
        ("is:b", ["banned", "bouncing"]),
        ("is:active,b", ["banned", "bouncing"]),
        ("subscription:", ["active", "ended", "none"]),
        ("tag:nee", ['"needs a call"']),
        ("reason:ch", ["chargeback"]),
        ("reason:spam,leg", ["legal_order"]),
        ("expires:", ["never", "7d", ">3m", "2026-12"]),
        ("", []),
        ("is:banned ", []),
        ('"is:', []),
        ("nonsense:x", []),
    ],
)
def test_what_may_follow_is_offered(text, expected, viewer):
    Tag.objects.get_or_create(name="needs a call")
    assert [offer.text for offer in offers(text, viewer)] == expected
    assert all(
        text[offer.start :] in offer.text or '"' in offer.text or ":" in offer.text
        for offer in offers(text, viewer)
    )


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("suspended", "is:suspended"),
        ("ana Banned tier=2", "ana is:banned tier:2"),
        ("-banned", "-is:banned"),
        ('"banned"', ""),
        ("is:banned", ""),
        ("banned=1", ""),
        ("ana x=y", ""),
    ],
)
def test_text_that_names_a_condition_offers_it_where_nobody_matches(text, query):
    assert meant(text, make_staff(Role.USER_ADMIN)) == query


def test_condition_that_was_meant_is_a_press_away_and_only_where_nobody_matches():
    client = Client()
    client.force_login(make_staff(Role.SUPPORT))
    html = client.get(LIST, {"q": "suspended"}).content.decode()
    assert "Look for is:suspended" in html
    assert 'href="?q=is%3Asuspended"' in html
    make_user("suspended.artist")
    assert "Look for" not in client.get(LIST, {"q": "suspended"}).content.decode()


def test_offers_are_options_of_a_list_and_only_for_staff():
    url = reverse("users:complete")
    html = as_role().get(url, {"q": "is:ban"}).content.decode()
    assert (
        '<li role="option" id="offer-0" aria-selected="false" data-text="banned" data-start="3">'
        in html
    )
    assert Client().get(url).status_code == 302
    support = as_role(Role.SUPPORT).get(url, {"q": "ro"}).content.decode()
    assert "role:" not in support
