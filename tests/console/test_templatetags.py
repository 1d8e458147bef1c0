from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone
from django.utils.safestring import mark_safe

from coai_admin.console import icons
from coai_admin.console.charts import columns
from coai_admin.console.graphemes import graphemes, initials_of
from coai_admin.console.templatetags import console

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def render(source, **context):
    return Template("{% load console %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (0, "0.00"),
        (Decimal("0.000000"), "0.00"),
        (Decimal("-0.000000"), "0.00"),
        (Decimal("4120.5"), "4,120.50"),
        (Decimal("12.345678"), "12.345678"),
        (Decimal("12.340000"), "12.34"),
        (Decimal("0.100100"), "0.1001"),
        (Decimal("-12.3"), "\N{MINUS SIGN}12.30"),
        (Decimal("-0.000001"), "\N{MINUS SIGN}0.000001"),
        (Decimal("123456789012345678.123456"), "123,456,789,012,345,678.123456"),
        (Decimal("1E+3"), "1,000.00"),
    ],
)
def test_credits_of_an_amount_read_as_people_write_them(value, text):
    assert console.credits(value) == text


def test_credits_of_a_float_are_refused():
    with pytest.raises(TypeError):
        console.credits(0.1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal(50), "+50.00"), (Decimal(-2), "\N{MINUS SIGN}2.00"), (0, "0.00"), (None, "")],
)
def test_signed_credits_of_a_change_carry_their_sign(value, text):
    assert console.signed_credits(value) == text


def test_grouped_of_whole_numbers_groups_thousands():
    assert [console.grouped(value) for value in (None, 0, 1204118, -1000)] == [
        "",
        "0",
        "1,204,118",
        "\N{MINUS SIGN}1,000",
    ]


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=0), "now"),
        (timedelta(seconds=44), "now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(minutes=59, seconds=40), "1 h ago"),
        (timedelta(hours=23), "23 h ago"),
        (timedelta(hours=23, minutes=50), "1 day ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=30), "24 Oct 2026"),
        (-timedelta(minutes=5), "in 5 min"),
        (-timedelta(days=6), "in 6 days"),
        (-timedelta(days=109), "12 Mar 2027"),
    ],
)
def test_moment_near_and_far_is_said_relatively_or_as_a_date(ago, text):
    assert f">{text}</time>" in render("{% moment at %}", at=NOW - ago, now=NOW)


def test_moment_tells_the_exact_time_and_its_zone():
    with timezone.override("Asia/Shanghai"):
        shown = render("{% moment at 'exact' %}", at=NOW, now=NOW + timedelta(hours=2))
    assert shown == (
        '<time datetime="2026-11-23T14:00:00+00:00" title="2 h ago">23 Nov 2026, 22:00 CST</time>'
    )


def test_moment_as_date_keeps_the_exact_time_in_its_title():
    shown = render("{% moment at 'date' %}", at=NOW)
    assert 'title="23 Nov 2026, 14:00 UTC">23 Nov 2026<' in shown


def test_moment_of_a_day_has_no_time_and_of_nothing_is_blank():
    day = date(2027, 3, 12)
    assert render("{% moment at %}", at=day) == '<time datetime="2027-03-12">12 Mar 2027</time>'
    assert render("{% moment at %}", at=None) == ""


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("mei.zhang", "MZ"),
        ("oluwaseun_adebayo_llm", "OA"),
        ("ivan", "IV"),
        ("Ольга_7", "О7"),
        ("小明.1054", "小"),
        ("محمد علي", "م"),
        ("דוד", "ד"),
        ("\N{WOMAN}\u200d\N{PERSONAL COMPUTER}dev", "\N{WOMAN}\u200d\N{PERSONAL COMPUTER}"),
        ("\U0001f1e9\U0001f1eaflag", "\U0001f1e9\U0001f1ea"),
        ("e\u0301lan", "E\u0301L"),
        ("ßeta", "ßE"),
        ("x", "X"),
        ("...", "?"),
        ("", "?"),
        (None, "?"),
        ("\u202e\u0000", "?"),
    ],
)
def test_initials_of_a_name_are_whole_characters(name, letters):
    assert console.initials(name) == letters


def test_graphemes_of_joined_emoji_and_flags_stay_whole():
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{BOY}"
    thumb = "\N{THUMBS UP SIGN}\U0001f3fd"
    flags = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"
    assert graphemes(family + thumb + flags) == [family, thumb, flags[:2], flags[2:]]
    assert initials_of("\N{HEAVY BLACK HEART}\ufe0f") == "\N{HEAVY BLACK HEART}\ufe0f"


def test_hue_of_a_name_is_always_the_same():
    assert console.hue("ana") == console.hue("ana")
    assert {console.hue(f"user{number}") for number in range(99)} == set(range(console.HUES))


@pytest.mark.parametrize("name", [*icons.LINES, "dots"])
def test_icon_of_each_name_is_drawn_and_hidden_from_speech(name):
    drawn = console.icon(name)
    assert 'aria-hidden="true"' in drawn
    assert "style" not in drawn


def test_icon_with_a_label_speaks_and_an_unknown_one_raises():
    assert 'role="img" aria-label="&lt;b&gt;"' in console.icon("users", 16, "<b>")
    with pytest.raises(KeyError):
        console.icon("unicorn")


def test_state_says_shape_word_and_colour_and_escapes_the_word():
    shown = console.state("bad", "<i>Banned</i>")
    assert 'class="state bad"' in shown
    assert '<svg class="mark bad"' in shown
    assert "&lt;i&gt;Banned" in shown


def test_state_of_unsafe_text_is_escaped_after_the_same_safe_text():
    assert "<b>x</b>" in console.state("good", mark_safe("<b>x</b>"))
    assert "<b>x</b>" not in console.state("good", "<b>x</b>")


def test_tier_without_number_is_blank_and_zero_is_shown():
    assert console.tier(None) == ""
    assert 'class="tier t0" title="Tier 0"' in console.tier(0)
    assert "Standard" in console.tier(2, "Standard")


def page(address):
    return {"request": RequestFactory().get(address)}


def test_query_sets_repeats_and_removes_parameters():
    where = page("/users/?q=a%20b&tier=2&tier=3&after=x")
    assert render("{% query sort='-credits' after=None %}", **where) == (
        "?q=a+b&amp;tier=2&amp;tier=3&amp;sort=-credits"
    )
    assert render("{% query tier=tiers q='' after='' %}", tiers=[0, 1], **where) == (
        "?tier=0&amp;tier=1"
    )
    assert render("{% query q='&<' %}") == "?q=%26%3C"


def test_query_without_a_value_keeps_the_others_and_drops_the_cursor():
    where = page("/users/?tier=2&tier=3&after=x&q=1")
    assert render("{% query_without 'tier' 2 %}", **where) == "?q=1&amp;tier=3"
    assert render("{% query_without 'tier' %}", **where) == "?q=1"
    assert render("{% query_without 'colour' %}", **where) == "?tier=2&amp;tier=3&amp;q=1"


def test_columns_of_positive_and_negative_values_meet_at_zero():
    drawn = columns([("Mon", Decimal(30)), ("Tue", Decimal(-10)), ("Wed", 0)])
    assert [(bar.y, bar.height, bar.negative) for bar in drawn.columns] == [
        ("0.00", "90.00", False),
        ("90.00", "30.00", True),
        ("90.00", "0.00", False),
    ]
    assert (drawn.zero, drawn.top, drawn.bottom, drawn.first, drawn.last) == (
        "90.00",
        30,
        -10,
        "Mon",
        "Wed",
    )


def test_columns_of_nothing_and_of_zeros_stand_on_the_ground():
    assert columns([]).columns == []
    assert columns([("Mon", 0)]).zero == "120.00"


def test_chart_shows_its_figures_in_a_table_too():
    shown = render("{% chart points 'Used' 'credits' %}", points=[("1 Nov", 4), ("2 Nov", 7)])
    assert shown.count("<rect") == 2
    assert '<th scope="row">2 Nov</th><td class="num">7.00</td>' in shown
    assert "style=" not in shown
    assert "No figures yet" in render("{% chart points 'Used' %}", points=[])


def message(text, level=constants.SUCCESS, tags=""):
    return Message(level, text, tags)


def test_banner_of_a_message_with_parts_offers_link_and_undo():
    told = message('{"text": "Done <b>", "link": "/runs/1/", "undo": "/undo/"}', tags="good parts")
    shown = render_to_string("components/message.html", {"message": told, "csrf_token": "t"})
    assert "Done &lt;b&gt;" in shown
    assert '<form method="post" action="/undo/">' in shown
    assert 'href="/runs/1/"' in shown
    assert 'value="t"' in shown


def test_banner_of_plain_text_is_never_read_as_parts():
    text = '{"text": "x", "undo": "/evil/"}'
    assert console.banner(message(text)) == {"text": text}


@pytest.mark.parametrize(
    ("level", "tags", "kind"),
    [
        (constants.SUCCESS, "", "good"),
        (constants.ERROR, "", "bad"),
        (constants.WARNING, "", "warn"),
        (constants.INFO, "", "info"),
        (constants.INFO, "bad", "bad"),
    ],
)
def test_banner_kind_follows_tags_then_level(level, tags, kind):
    assert console.banner_kind(message("x", level, tags)) == kind


def test_row_menu_is_a_link_that_names_whose_acts_it_opens():
    shown = console.row_menu("/admin/users/42/acts/", 'a"b')
    assert 'href="/admin/users/42/acts/"' in shown
    assert 'aria-label="Acts on a&quot;b"' in shown


@pytest.mark.parametrize("code", [400, 403, 404, 500, 503])
def test_error_page_without_a_request_says_its_sentence(code):
    shown = render_to_string(
        f"errors/{code}.html", {"message": "“colour” is wrong <", "reference": "R1"}
    )
    assert "data-sentence" in shown
    assert "style=" not in shown
    if code != 500:
        assert "“colour” is wrong &lt;" in shown
    if code >= 500:
        assert 'data-copy="R1"' in shown


def test_diff_escapes_both_sides_and_names_nothing():
    shown = console.diff("<b>", None)
    assert "<del>&lt;b&gt;</del>" in shown
    assert '<ins class="blank">nothing</ins>' in shown
    assert '<del class="blank">nothing</del>' in console.diff("", "0")
    assert "<ins>0</ins>" in console.diff("", 0)
    assert "<del><i></del>" in console.diff(mark_safe("<i>"), 1)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "0 minutes"),
        (1, "1 minute"),
        (60, "1 hour"),
        (90, "1 hour 30 minutes"),
        (720, "12 hours"),
    ],
)
def test_lasting_says_hours_and_minutes(minutes, text):
    assert console.lasting(minutes) == text
