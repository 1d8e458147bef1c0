"""The listing toolkit by itself: what it takes, what it refuses, what it links to."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
from django.db.models import BooleanField, F, IntegerField, Q, TextField
from django.http import QueryDict

from coai_admin.console import counts
from coai_admin.console.columns import Column, Kind, Sight
from coai_admin.console.filters import AnyOf, BadParameter, DayFrom, DayTo, Filters
from coai_admin.console.keyset import Sort
from coai_admin.console.listing import Listing
from subscriptions.models import Tier

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@dataclass
class Reader:
    """Somebody who may do what ``codes`` name."""

    codes: frozenset = frozenset()

    def may(self, code):
        return code in self.codes


def sight(viewer):
    return (
        Sight.FULL if viewer.may("see") else Sight.MASKED if viewer.may("glimpse") else Sight.NONE
    )


class TierFilters(Filters):
    level = AnyOf("level", choices=[(str(n), f"level {n}") for n in range(4)], label="Level")

    @classmethod
    def hidden_from(cls, viewer):
        return frozenset() if viewer.may("filter") else frozenset({"level"})


TIERS = Listing(
    name="tiers",
    rows=lambda viewer, now: Tier.objects.all(),
    columns=(
        Column(
            name="level", label="Level", kind=Kind.NUMBER, sort=Sort(), read=lambda now: F("level")
        ),
        Column(name="name", label="Name", sort=Sort(key="name", field=TextField()), sight=sight),
        Column(
            name="paid",
            label="Paid",
            sort=Sort(segments=lambda now: [Q(level=0), Q(level__gt=0)]),
            on_page=False,
        ),
        Column(name="active", label="Active", css="wide"),
    ),
    default="level",
    filters=TierFilters,
    facts=lambda ids, viewer, now: Tier.objects.filter(pk__in=ids),
    page_size=3,
    extra=frozenset({"tab"}),
)
EVERYTHING = Reader(frozenset({"see", "filter"}))


def read(query="", viewer=EVERYTHING):
    return TIERS.read(QueryDict(query), viewer=viewer, now=NOW)


def levels(reading):
    return [row.level for row in reading.page().rows]


def test_pages_lead_to_each_other():
    page = read().page()
    assert ([row.level for row in page.rows], page.previous, page.alone) == ([0, 1, 2], "", False)
    second = read(page.next[1:]).page()
    assert ([row.level for row in second.rows], second.next) == ([3], "")
    assert levels(read(second.previous[1:])) == [0, 1, 2]
    assert levels(read(page.last[1:])) == [1, 2, 3]
    assert levels(read(second.first[1:])) == [0, 1, 2]


def test_facts_come_in_the_order_of_the_page_whatever_order_they_are_read_in():
    assert levels(read("sort=-level")) == [3, 2, 1]
    assert levels(read("sort=-paid")) == [3, 2, 1]


def test_links_keep_what_they_do_not_change_and_forget_the_page():
    reading = read(
        "level=1&level=2&sort=-name&tab=x&after="
        + read("sort=-name").page().next.split("after=")[1]
    )
    assert reading.link("sort", "level") == "?level=1&level=2&tab=x"
    assert reading.link("level") == "?sort=-name&tab=x"
    assert reading.query == "level=1&level=2&sort=-name&tab=x"
    assert reading.clear_link() == "?sort=-name&tab=x"


def test_headings_turn_the_order_round():
    found = {heading.column.name: heading for heading in read("sort=name").headings()}
    assert (found["name"].direction, found["name"].link) == ("ascending", "?sort=-name")
    assert (found["level"].direction, found["level"].link) == ("", "?sort=-level")
    assert (found["active"].link, found["active"].column.classes) == ("", "wide")
    assert "paid" not in found


def test_chips_say_choices_in_words():
    [(chip, without)] = read("level=1&level=3&sort=name").chips()
    assert (chip.label, chip.value, without) == ("Level", "level 1 or level 3", "?sort=name")


@pytest.mark.parametrize(("codes", "seen"), [({"see"}, True), ({"glimpse"}, True), (set(), False)])
def test_column_is_for_those_who_see_it(codes, seen):
    reading = read("", Reader(frozenset(codes)))
    assert ("name" in [heading.column.name for heading in reading.headings()]) is seen


@pytest.mark.parametrize("codes", [{"glimpse"}, set()])
def test_order_by_what_one_does_not_see_whole_is_refused(codes):
    with pytest.raises(BadParameter, match="name"):
        read("sort=name", Reader(frozenset(codes)))


def test_hidden_filter_is_unknown():
    with pytest.raises(BadParameter, match="level"):
        read("level=1", Reader(frozenset({"see"})))


@pytest.mark.parametrize(
    "query", ["tab=a&tab=b", "sort=name&sort=level", "nothing=1", "sort=active"]
)
def test_repeated_and_unknown_parameters_are_refused(query):
    with pytest.raises(BadParameter):
        read(query)


def test_blank_parameters_are_none():
    assert read("level=&sort=&tab=").parameters == QueryDict("")


def test_few_matches_are_sorted_from_their_ids_and_many_along_the_index(monkeypatch):
    assert read("level=1&level=2").matching.ids in {"{1,2}", "{2,1}"}
    assert read().matching.ids is None
    monkeypatch.setattr(counts, "CAP", 1)
    many = read("level=1&level=2&sort=-level")
    assert (many.matching.ids, str(many.count), levels(many)) == (None, "1+", [2, 1])


def test_nothing_that_matches_costs_no_page(django_assert_num_queries):
    Tier.objects.filter(level=3).delete()
    with django_assert_num_queries(1):
        assert read("level=3").page().rows == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (IntegerField(), "x"),
        (IntegerField(), "99999999999999999999"),
        (BooleanField(), "maybe"),
        (TextField(), "a\x00b"),
        (TextField(), None),
        (TextField(), 5),
    ],
)
def test_key_that_the_order_could_not_have_written_is_refused(field, text):
    order = read("sort=name").order
    object.__setattr__(order, "sort", Sort(key="name", field=field))
    packed = json.dumps(["name", 0, text, 1]).encode()
    with pytest.raises(ValueError, match=r"."):
        order.position(base64.urlsafe_b64encode(packed).rstrip(b"=").decode())


def test_days_hold_from_midnight_to_midnight_utc():
    start, end = DayFrom("joined_at"), DayTo("joined_at")
    assert start.bound(date(2026, 11, 20)) == datetime(2026, 11, 20, tzinfo=UTC)
    assert end.bound(date(2026, 11, 20)) == datetime(2026, 11, 21, tzinfo=UTC)
    assert end.bound(date.max) is None
