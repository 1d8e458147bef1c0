"""What measurements say, to people and to programs."""

import json

import pytest

from bench import report


def test_case_with_peer_is_judged_by_the_ratio():
    slow = report.case("act", 6.0, "s", peer=1.5, limit=3.0)
    assert (slow["ratio"], slow["ok"]) == (4.0, False)
    fast = report.case("act", 3.0, "s", peer=1.5, limit=3.0)
    assert (fast["ratio"], fast["ok"]) == (2.0, True)


def test_case_without_peer_is_judged_by_the_value():
    assert report.case("page", 41.0, "ms", limit=40)["ok"] is False
    assert report.case("page", 40.0, "ms", limit=40)["ok"] is True
    assert report.case("page", 40.0, "ms")["ok"] is True


@pytest.mark.parametrize(("value", "ok"), [(69.0, False), (70.0, True)])
def test_case_where_more_is_better_has_a_lower_limit(value, ok):
    case = report.case("debits", value, "/s", better="higher", peer=100.0, limit=0.7)
    assert case["ok"] is ok


def test_table_names_the_missed_limit():
    text = report.table(
        [
            report.case("页面 at 1,000,000", 40.25, "ms", limit=40),
            report.case("act", 3.0, "s", peer=1.5, limit=3.0),
        ]
    )
    _head, page, act = text.splitlines()
    assert page.split() == ["页面", "at", "1,000,000", "40.25", "ms", "≤", "40", "MISSED"]
    assert act.split() == ["act", "3", "s", "1.50", "2", "≤", "3", "ok"]


def test_json_is_one_line_with_every_key():
    text = report.as_json([report.case("act", 3.0, "s", peer=1.5, limit=3.0)])
    assert "\n" not in text
    assert json.loads(text) == [
        {
            "name": "act",
            "value": 3.0,
            "unit": "s",
            "better": "lower",
            "peer": 1.5,
            "ratio": 2.0,
            "limit": 3.0,
            "ok": True,
        }
    ]
