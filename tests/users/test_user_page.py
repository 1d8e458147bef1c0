"""The page of one user: what stands in the way, what may be done, and who sees how much of it."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now as time_now

from audit.models import AuditEntry, AuditPersonal
from audit.people import SYSTEM
from billing import ledger
from billing.models import Account
from subscriptions.models import Period, Standing, Subscription
from tests.factories import make_key, make_session, make_staff, make_user
from users.models import ApiKey, Note, ReasonCode, Restriction, Session, User
from users.profile.services import add_note, tag
from users.restrictions import services
from users.roles import ROLES, Role

pytestmark = pytest.mark.django_db

END = datetime(2030, 1, 1, tzinfo=UTC)
ADDRESS, IP = "ana.silva@mailbox.example", "198.51.100.23"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SEE_ALL, SEE_MASKED = (Role.SUPER_ADMIN, Role.USER_ADMIN), (Role.SUPPORT, Role.READ_ONLY)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def as_role(role):
    return signed_in(make_staff(role))


def page(client, user, tab="", **parameters):
    if tab:
        parameters["tab"] = tab
    response = client.get(reverse("user", args=[user.pk]), parameters)
    return response, response.content.decode()


def words(html):
    """The page as text, its white space as one reads it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace(" ,", ",").replace(" .", ".")


def suspend(user, *, actor=SYSTEM, reason_code="spam", ends_at=END, **more):
    more.setdefault("reason", "because")
    services.suspend([user.pk], actor=actor, reason_code=reason_code, ends_at=ends_at, **more)


@pytest.fixture
def ana():
    user = make_user("ana", email=ADDRESS, country="PT", last_seen_at=time_now())
    session = make_session(user)
    Session.objects.filter(pk=session.pk).update(ip=IP, agent=AGENT)
    make_key(user)
    return user


# What stands in the way


def test_status_of_an_unrestricted_user_is_active(ana):
    _, html = page(as_role(Role.SUPER_ADMIN), ana)
    assert "Active" in words(html)
    assert "Suspended" not in words(html)


def test_status_of_a_suspended_user_says_until_when_why_and_by_whom(ana):
    ann = make_staff(Role.USER_ADMIN, username="ann")
    suspend(ana, actor=ann, public_text="Take a break.", internal_note="Third time.")
    _, html = page(as_role(Role.SUPER_ADMIN), ana)
    text = words(html)
    assert re.search(
        r"Suspended until 1 Jan 2030, 00:00 UTC \(in [\d,]+ days\) for Spam, by ann on \d",
        text,
    )
    assert "Sessions and API keys were ended." in text
    assert "Take a break." in text
    assert "Third time." in text
    assert "Active" not in text


def test_status_of_a_permanent_suspension_is_for_good(ana):
    suspend(ana, ends_at=None)
    assert "Suspended for good for Spam, since" in words(page(as_role(Role.READ_ONLY), ana)[1])


def test_overlapping_restrictions_are_each_listed_with_their_own_lift(ana):
    suspend(ana)
    suspend(ana, reason_code="fraud_payment", ends_at=None)
    _, html = page(as_role(Role.USER_ADMIN), ana)
    lift = reverse("operate:one", args=[ana.pk, "users.lift_restriction"])
    assert f"{lift}?kind=suspension&amp;reason_code=spam" in html
    assert f"{lift}?kind=suspension&amp;reason_code=fraud_payment" in html
    assert words(html).index("for good for Payment fraud") < words(html).index("2030")


@pytest.mark.parametrize("role", SEE_MASKED)
def test_lift_is_not_offered_to_roles_that_may_not_lift(ana, role):
    suspend(ana)
    _, html = page(as_role(role), ana)
    assert "Suspended" in words(html)
    assert "lift_restriction" not in html


def test_who_may_lift_is_said_to_those_who_may_not(ana):
    suspend(ana)
    sentence = "May be lifted by: Super admin, User admin"
    assert sentence in page(as_role(Role.SUPPORT), ana)[1]
    assert sentence not in page(as_role(Role.USER_ADMIN), ana)[1]


def test_a_restriction_that_ended_or_was_lifted_stands_in_nobodys_way(ana):
    long_ago = time_now() - timedelta(days=30)
    suspend(ana, ends_at=long_ago + timedelta(days=3), now=long_ago)
    suspend(ana, reason_code="fraud_payment")
    services.lift_restriction([ana.pk], actor=SYSTEM, reason="appeal")
    client = as_role(Role.SUPER_ADMIN)
    assert "Active" in words(page(client, ana)[1])
    access = words(page(client, ana, "access")[1])
    assert "ended Spam" in access
    assert "lifted Payment fraud" in access
    assert "appeal" in access


def test_a_restriction_that_begins_later_is_announced(ana):
    begins = datetime(2029, 5, 4, 12, tzinfo=UTC)
    Restriction.objects.create(user=ana, kind="limit", reason_id="spam", starts_at=begins)
    text = words(page(as_role(Role.SUPER_ADMIN), ana)[1])
    assert "A limit for Spam begins on 4 May 2029, 12:00 UTC" in text
    assert "Active" in text


def test_a_closed_account_says_when(ana):
    User.objects.filter(pk=ana.pk).update(closed_at=datetime(2026, 3, 2, 10, tzinfo=UTC))
    text = words(page(as_role(Role.SUPER_ADMIN), ana)[1])
    assert "Closed on 2 Mar 2026, 10:00 UTC" in text
    assert "Active" not in text


def test_names_and_reasons_are_escaped_in_the_status_sentence(ana):
    ReasonCode.objects.filter(pk="spam").update(label="<i>Spam</i>")
    ann = make_staff(Role.USER_ADMIN, username="<b>ann")
    suspend(ana, actor=ann, internal_note="<script>x</script>")
    _, html = page(as_role(Role.SUPER_ADMIN), ana)
    assert "&lt;i&gt;Spam&lt;/i&gt;" in html
    assert "&lt;b&gt;ann" in html
    assert "<b>ann" not in html
    assert "<script>x" not in html


# Figures


def test_figures_are_the_accounts_own_not_the_copy_of_lists(ana):
    account = Account.objects.get(user=ana)
    ledger.post(
        [
            ledger.Posting(account.pk, 150, Decimal("310.5")),
            ledger.Posting(account.pk, 200, Decimal("-10.25")),
        ],
        now=time_now(),
        actor_id=None,
    )
    text = words(page(as_role(Role.SUPER_ADMIN), ana)[1])
    assert "credits 300.25" in text
    assert "used in all 10.25" in text


def test_overdraft_is_shown(ana):
    account = Account.objects.get(user=ana)
    Account.objects.filter(pk=account.pk).update(overdraft_limit=50)
    ledger.post([ledger.Posting(account.pk, 200, Decimal("-12.3"))], now=time_now(), actor_id=None)
    text = words(page(as_role(Role.SUPER_ADMIN), ana)[1])
    assert "−12.30" in text
    assert "overdraft to −50.00" in text


def test_tier_is_the_effective_one(ana):
    over = time_now() - timedelta(days=1)
    subscription = Subscription.objects.create(user=ana, tier_id=2)
    Period.objects.create(
        subscription=subscription,
        user=ana,
        tier_id=2,
        span=(over - timedelta(days=30), over),
        months=1,
    )
    Standing.objects.filter(user=ana).update(
        subscription=subscription, tier=2, ends_at=over, months=1
    )
    text = words(page(as_role(Role.SUPER_ADMIN), ana)[1])
    assert "Tier 0 ended" in text
    assert "1 month" in text


# Who sees how much


@pytest.mark.parametrize("tab", ["", "access", "audit", "credits"])
@pytest.mark.parametrize("role", SEE_MASKED)
def test_personal_data_is_not_in_the_html_of_masked_roles(ana, role, tab):
    _, html = page(as_role(role), ana, tab)
    assert "a•••@m•••.example" in html
    for secret in (ADDRESS, "ana.silva", "mailbox", IP, "198.51.100", AGENT, "Gecko"):
        assert secret not in html


@pytest.mark.parametrize("role", SEE_MASKED)
def test_masked_roles_see_the_network_and_the_browser_in_words(ana, role):
    _, html = page(as_role(role), ana, "access")
    assert "198.51.•••" in html
    assert "Firefox on Linux" in html


@pytest.mark.parametrize("role", SEE_ALL)
def test_personal_data_is_whole_for_the_other_roles(ana, role):
    _, html = page(as_role(role), ana, "access")
    assert ADDRESS in html
    assert IP in html
    assert AGENT in html


@pytest.mark.parametrize("role", ROLES)
def test_the_role_of_staff_is_hidden_from_support(role):
    _, html = page(as_role(role), make_staff(Role.SUPER_ADMIN))
    assert ('<span class="badge">Super admin</span>' in html) is (role != Role.SUPPORT)
    assert ("<dt>Role</dt>" in html) is (role != Role.SUPPORT)


@pytest.mark.parametrize("role", ROLES)
def test_secrets_are_on_no_tab(ana, role):
    User.objects.filter(pk=ana.pk).update(password="argon2$verysecret")
    client, key = as_role(role), ApiKey.objects.get(user=ana)
    for tab in ("", "access", "audit", "credits"):
        _, html = page(client, ana, tab)
        assert "verysecret" not in html
        assert Session.objects.get(user=ana).pk not in html
        assert bytes(key.digest).hex() not in html


def test_somebody_without_a_role_sees_nobody_not_even_themselves(ana):
    response = signed_in(make_user()).get(reverse("user", args=[ana.pk]))
    assert response.status_code == 403
    assert "ana" not in words(response.content.decode()).split("CoAI Admin")[0]
    assert signed_in(ana).get(reverse("user", args=[ana.pk])).status_code == 403


def test_anonymous_people_are_sent_to_sign_in(ana):
    response = Client().get(reverse("user", args=[ana.pk]))
    assert response.status_code == 302
    assert response.url.startswith(reverse("account:sign_in"))


# Acts


def test_impossible_acts_are_greyed_with_the_reason(ana):
    _, html = page(as_role(Role.SUPER_ADMIN), ana)
    assert re.search(
        r'aria-disabled="true">.*?Lift restriction.*?<small>Not restricted\.</small>', html, re.S
    )
    assert f'href="{reverse("operate:one", args=[ana.pk, "users.suspend"])}"' in html


def test_ones_own_page_offers_no_act():
    admin = make_staff(Role.SUPER_ADMIN)
    _, html = page(signed_in(admin), admin)
    assert "This is your own account; ask a colleague." in html
    assert reverse("operate:one", args=[admin.pk, "users.suspend"]) not in html


def test_read_only_is_offered_no_act(ana):
    _, html = page(as_role(Role.READ_ONLY), ana)
    assert f"/users/{ana.pk}/users." not in html
    assert f"/users/{ana.pk}/billing." not in html


# Bad input


@pytest.mark.parametrize("user_id", [987_654_321, 10**30])
def test_a_vanished_user_is_a_page_that_says_so(user_id):
    response = as_role(Role.SUPER_ADMIN).get(f"/admin/users/{user_id}/")
    assert response.status_code == 404
    assert f"There is no user {user_id}" in response.content.decode()


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("tab=nonsense", "nonsense"),
        ("colour=red", "colour"),
        ("tab=access&colour=red", "colour"),
        ("tab=audit&colour=red", "colour"),
        ("tab=audit&action=no.such", "no.such"),
        ("tab=credits&kind=gift", "gift"),
        ("tab=credits&since=2026-02-30", "since"),
        ("tab=credits&after=xyz", "after"),
        ("tab=timeline", "timeline"),
    ],
)
def test_a_wrong_word_is_a_400_that_names_it(ana, query, word):
    response = as_role(Role.SUPER_ADMIN).get(f"{reverse('user', args=[ana.pk])}?{query}")
    assert response.status_code == 400
    assert word in response.content.decode()


# Tabs


def test_access_shows_which_act_revoked_a_key(ana):
    suspend(ana)
    _, html = page(as_role(Role.SUPER_ADMIN), ana, "access")
    key = ApiKey.objects.get(user=ana)
    assert reverse("operate:act", args=[key.revoked_by_act]) in html
    assert "Not signed in anywhere." in html


def test_timeline_and_audit_show_before_and_after(ana):
    ann = make_staff(Role.USER_ADMIN, username="ann")
    suspend(ana, actor=ann, reason="spam wave", ticket="T-77")
    client = as_role(Role.READ_ONLY)
    for tab in ("", "audit"):
        text = words(page(client, ana, tab)[1])
        assert "Suspend" in text
        assert "before nothing" in text
        assert "Spam until 1 Jan 2030, 00:00 UTC" in text
        assert "spam wave" in text
        assert "T-77" in text


def test_support_sees_only_its_own_acts_on_the_user(ana):
    support = make_staff(Role.SUPPORT, username="sue")
    suspend(ana, actor=make_staff(Role.USER_ADMIN), reason="not for support")
    services.suspend(
        [ana.pk], actor=support, reason_code="api_abuse", ends_at=END, reason="by support itself"
    )
    for tab in ("", "audit"):
        _, html = page(signed_in(support), ana, tab)
        assert "not for support" not in html
        assert "by support itself" in html


def test_another_users_entries_are_not_on_the_page(ana):
    other = make_user("bob")
    suspend(other, reason="about bob only")
    for tab in ("", "audit"):
        assert "about bob only" not in page(as_role(Role.SUPER_ADMIN), ana, tab)[1]


def test_import_flags_are_explained(ana):
    User.objects.filter(pk=ana.pk).update(
        legacy_source="coai",
        legacy_id=77,
        legacy_username="Ana",
        import_flags=["tier_without_expiry"],
    )
    text = words(page(as_role(Role.SUPER_ADMIN), ana)[1])
    assert "ID there 77" in text
    assert "Tier without an end." in text
    assert "A tier was set but no date" in text


def test_people_who_were_not_imported_have_no_card_of_it(ana):
    assert "ID there" not in page(as_role(Role.SUPER_ADMIN), ana)[1]


def test_the_tab_bar_marks_the_open_tab(ana):
    _, html = page(as_role(Role.SUPER_ADMIN), ana, "credits")
    assert re.search(r'href="\?tab=credits" aria-current="page"', html)
    assert html.count('aria-current="page">Overview') == 0


# The number of statements is known, and does not grow with what is shown


def _more(user, numbers):
    """For each number a restriction, a session, a key, a transfer, an entry and a period."""
    codes = list(ReasonCode.objects.order_by("pk").values_list("pk", flat=True))
    account = Account.objects.get(user=user)
    admin = make_staff(Role.SUPER_ADMIN)
    for number in numbers:
        suspend(user, actor=admin, reason_code=codes[number])
        start = datetime(2020 + number, 1, 1, tzinfo=UTC)
        subscription = Subscription.objects.create(user=user, tier_id=1, ended_at=start)
        span = (start, start + timedelta(days=30))
        Period.objects.create(subscription=subscription, user=user, tier_id=1, span=span, months=1)
        ledger.post(
            [ledger.Posting(account.pk, 100, Decimal(5))], now=time_now(), actor_id=admin.pk
        )
        make_session(user)
        make_key(user)


@pytest.mark.parametrize(
    ("tab", "statements"), [("", 19), ("access", 16), ("credits", 17), ("audit", 17)]
)
def test_the_number_of_statements_is_known(ana, tab, statements, django_assert_num_queries):
    client = as_role(Role.SUPER_ADMIN)
    _more(ana, [0])
    page(client, ana, tab)
    with django_assert_num_queries(statements):
        page(client, ana, tab)
    _more(ana, [1, 2])
    with django_assert_num_queries(statements):
        page(client, ana, tab)


def test_overview_draws_what_was_used_lately_of_those_who_used_something(ana):
    client = as_role(Role.SUPPORT)
    assert "Credits used a day" not in page(client, ana)[1]
    account = Account.objects.get(user=ana)
    gift, use = (ledger.Posting(account.pk, code, Decimal(n)) for code, n in ((100, 9), (200, -4)))
    ledger.post([gift, use], now=time_now(), actor_id=SYSTEM.pk)
    html = page(client, ana)[1]
    assert html.count("<title>") == 31  # of the page, and of each day
    assert "highest 4.00 credits" in words(html)


# Reveal


def test_reveal_without_a_reason_shows_and_records_nothing(ana):
    client = as_role(Role.SUPPORT)
    response = client.post(reverse("user_reveal", args=[ana.pk]), {"reason": "  "})
    assert response.status_code == 422
    assert ADDRESS not in response.content.decode()
    assert not AuditEntry.objects.filter(action="users.reveal").exists()


def test_reveal_shows_once_and_is_recorded(ana):
    support = make_staff(Role.SUPPORT)
    client = signed_in(support)
    response = client.post(
        reverse("user_reveal", args=[ana.pk]), {"reason": "call back", "ticket": "T-5"}
    )
    html = response.content.decode()
    assert ADDRESS in html
    assert IP in html
    assert "no-store" in response.headers["Cache-Control"]
    entry = AuditEntry.objects.get(action="users.reveal")
    assert (entry.actor_id, entry.target_type, entry.target_id) == (support.pk, "user", ana.pk)
    assert (entry.reason, entry.ticket) == ("call back", "T-5")
    stored = f"{entry.changes} {AuditPersonal.objects.get(entry=entry).changes}"
    assert ADDRESS not in stored
    assert IP not in stored
    assert ADDRESS not in page(client, ana)[1]
    assert ADDRESS not in client.get(reverse("user_reveal", args=[ana.pk])).content.decode()


def test_reveal_is_a_fragment_for_htmx(ana):
    client = as_role(Role.SUPPORT)
    url = reverse("user_reveal", args=[ana.pk])
    form = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in form
    assert f'hx-post="{url}"' in form
    shown = client.post(
        url, {"reason": "call back"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert "<html" not in shown
    assert ADDRESS in shown


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.NONE])
def test_reveal_is_denied_and_leaves_no_entry(ana, role):
    response = signed_in(make_user(role=role)).post(
        reverse("user_reveal", args=[ana.pk]), {"reason": "curious"}
    )
    assert response.status_code == 403
    assert ADDRESS not in response.content.decode()
    assert not AuditEntry.objects.filter(action="users.reveal").exists()


def test_support_does_not_reveal_staff():
    colleague = make_staff(Role.USER_ADMIN, email="boss@coai.example")
    client = as_role(Role.SUPPORT)
    response = client.post(reverse("user_reveal", args=[colleague.pk]), {"reason": "curious"})
    assert response.status_code == 403
    assert "boss@coai.example" not in response.content.decode()
    assert not AuditEntry.objects.filter(action="users.reveal").exists()
    assert "reveal" not in page(client, colleague)[1].replace('id="reveal" class="reveal"', "")


def test_reveal_of_a_vanished_user_says_so():
    response = as_role(Role.SUPPORT).post("/admin/users/987654321/reveal/", {"reason": "x"})
    assert response.status_code == 404
    assert "There is no user 987654321" in response.content.decode()


@pytest.mark.parametrize(
    ("role", "offered"),
    [(Role.SUPPORT, True), *((role, False) for role in (*SEE_ALL, Role.READ_ONLY))],
)
def test_reveal_is_offered_to_those_who_may_and_need_it(ana, role, offered):
    assert (reverse("user_reveal", args=[ana.pk]) in page(as_role(role), ana)[1]) is offered


def test_the_lift_of_one_restriction_is_filled_in(ana):
    suspend(ana)
    suspend(ana, reason_code="fraud_payment")
    client = as_role(Role.USER_ADMIN)
    link = re.search(r'href="([^"]+reason_code=fraud_payment)"', page(client, ana)[1])[1]
    form = client.get(link.replace("&amp;", "&")).content.decode()
    assert '<option value="fraud_payment" selected>' in form


# Tags and notes


def test_tags_and_notes_are_seen_at_a_glance_and_changed_from_there(ana):
    tag([ana.pk], actor=SYSTEM, add=["vip", "Big spender"], reason="x")
    add_note([ana.pk], actor=SYSTEM, text="Call <b>before</b> noon.\n\nSpeaks Thai.")
    _response, shown = page(as_role(Role.SUPPORT), ana)
    assert shown.index("Big spender") < shown.index("vip") < shown.index("Speaks Thai.")
    assert "?q=tag%3A%22Big+spender%22" in shown
    assert "Call &lt;b&gt;before&lt;/b&gt; noon." in shown
    for code in ("users.tag", "users.add_note"):
        assert reverse("operate:one", args=[ana.pk, code]) in shown


def test_tags_and_notes_are_shown_but_not_offered_to_who_may_only_read(ana):
    tag([ana.pk], actor=SYSTEM, add=["vip"], reason="x")
    _response, shown = page(as_role(Role.READ_ONLY), ana)
    assert ">vip<" in shown
    assert "No notes." in shown
    for code in ("users.tag", "users.add_note"):
        assert reverse("operate:one", args=[ana.pk, code]) not in shown


def test_note_that_was_withdrawn_is_not_shown(ana):
    add_note([ana.pk], actor=SYSTEM, text="A mistake.")
    Note.objects.update(withdrawn_at=time_now())
    assert "A mistake." not in page(as_role(Role.SUPER_ADMIN), ana)[1]
