"""How a subscription begins, changes its tier, is extended and ends by hand: the procedures behind
``subscriptions.set_tier``, ``set_expiry`` and ``extend``. No money moves.

Months. A period counts the months it was given for. Cutting it leaves those that have begun,
counted from the subscription's anchor; days, and time without end, count none. So the months of a
standing are always the sum of its user's periods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.record import as_json
from subscriptions import lives
from subscriptions.lives import NEW, Line, Picture, Span
from subscriptions.models import Event, Subscription
from subscriptions.months import add_months, months_apart, months_begun, whole_months

FURTHEST = timedelta(days=3653)  # ten years: more is a slip of the finger
NO_END = "no end"
Kind = Event.Kind


def version(picture: Picture) -> int:
    """The standing's: it grows with whatever changes the subscription."""
    return picture.version


def _facts(picture: Picture, now: datetime) -> dict[str, Any]:
    """What people see change."""
    ends_at: datetime | str | None = picture.ends_at
    if ends_at is None and picture.newest is not None:
        ends_at = NO_END
    return {
        "tier": picture.effective_tier(now),
        "expires": ends_at,
        "months": picture.months + picture.legacy_months,
    }


def _change(old: Picture, new: Picture, kind: Event.Kind, now: datetime) -> Change:
    """The verdict that leads to ``new``, its months brought to those of its periods."""
    counted = sum(span.months for span in new.spans) - sum(span.months for span in old.spans)
    new = replace(new, months=old.months + counted)
    return Change(before=_facts(old, now), after=_facts(new, now), data=(new, kind))


def _beyond(ends_at: datetime, now: datetime) -> Refusal | None:
    """Why nothing may end then."""
    if ends_at <= now:
        return Refusal(
            _(
                "It would end on %(end)s UTC, which is past. "
                "To end the subscription now, set its tier to 0."
            )
            % {"end": date_format(ends_at, "j M Y, H:i")},
            _("The end would lie in the past."),
        )
    if ends_at > now + FURTHEST:
        return Refusal(_("At most 10 years ahead. Set “no end” for what shall run for good."))
    return None


def _cut(picture: Picture, moment: datetime, anchor: datetime) -> tuple[Span, ...]:
    """The periods up to ``moment``: what lies beyond it is no more, what reaches over it is cut."""
    return tuple(_shortened(span, moment, anchor) for span in picture.spans if span.starts < moment)


def _shortened(span: Span, moment: datetime, anchor: datetime) -> Span:
    if span.ends is not None and span.ends <= moment:
        return span
    begun = months_begun(anchor, moment) - months_begun(anchor, span.starts)
    return span._replace(ends=moment, months=max(0, min(span.months, begun)))


def _with(picture: Picture, line: Line) -> tuple[Line, ...]:
    """The subscriptions, this one in its new state."""
    return tuple(line if each.id == line.id else each for each in picture.lines)


# subscriptions.set_tier


def _decide_set_tier(row: Picture, params: Mapping[str, Any], now: datetime) -> Verdict:
    tier = params["tier"]
    if tier == row.effective_tier(now):
        return None
    line = row.running(now)
    if tier == 0:
        assert line is not None
        return _ended(row, line, now)
    if row.closed:
        return why_no_other_tier(row, now) or _only_ended()
    if not row.offered:
        return Refusal(_("Tier %(tier)s is not offered any more.") % {"tier": tier})
    if line is not None:
        return _retiered(row, line, tier, now)
    if params["ends_at"] is None:
        return Refusal(_("No subscription is running: say until when a new one shall run."))
    return _beyond(params["ends_at"], now) or _started(row, tier, params["ends_at"], now)


def why_no_other_tier(row: Picture, now: datetime) -> Refusal | None:
    """Why no tier can be set, whichever."""
    if row.closed and not row.running(now):
        return Refusal(_("The account is closed, and no subscription is running."))
    return None


def _ended(row: Picture, line: Line, now: datetime) -> Change:
    """Over now: it stood until this moment."""
    new = replace(
        row,
        ends_at=now,
        lines=_with(row, line._replace(ended_at=now)),
        spans=_cut(row, now, line.anchor),
    )
    return _change(row, new, Kind.ENDED, now)


def _retiered(row: Picture, line: Line, tier: int, now: datetime) -> Change:
    """The end stays, and so do the months: what is left of the running period is a period of the
    new tier, with the months that have not begun."""
    spans: list[Span] = []
    for span in row.spans:
        if span.ends is not None and span.ends <= now:
            spans.append(span)
        elif span.starts >= now:
            spans.append(span._replace(tier=tier))
        else:
            past = _shortened(span, now, line.anchor)
            rest = span.months - past.months
            spans += [past, Span(NEW, line.id, tier, now, span.ends, rest, now)]
    new = replace(row, tier=tier, lines=_with(row, line._replace(tier=tier)), spans=tuple(spans))
    return _change(row, new, Kind.TIER_CHANGED, now)


def _started(row: Picture, tier: int, ends_at: datetime, now: datetime) -> Change:
    """A new subscription, counted from now. One that ran out, but was not closed yet, is closed:
    what is over is never revived."""
    closed = tuple(
        line if line.ended_at else line._replace(ended_at=row.ends_at) for line in row.lines
    )
    begun = Line(NEW, tier, Subscription.Source.GRANT.value, now, None, now)
    period = Span(NEW, NEW, tier, now, ends_at, whole_months(now, ends_at), now)
    new = replace(
        row,
        tier=tier,
        ends_at=ends_at,
        newest=NEW,
        lines=(*closed, begun),
        spans=(*_cut(row, now, now), period),
    )
    return _change(row, new, Kind.STARTED, now)


# subscriptions.set_expiry


def _decide_set_expiry(row: Picture, params: Mapping[str, Any], now: datetime) -> Verdict:
    ends_at = params["ends_at"]
    if refusal := why_no_other_end(row, now):
        return refusal
    line = row.running(now)
    assert line is not None
    if ends_at == row.ends_at:
        return None
    if ends_at is not None and (refusal := _beyond(ends_at, now)):
        return refusal
    return _change(row, _ending(row, line, ends_at, now), Kind.END_SET, now)


def why_no_other_end(row: Picture, now: datetime) -> Refusal | None:
    """Why no end can be set, whichever."""
    if row.closed:
        return _only_ended()
    return None if row.running(now) else _nothing_runs()


def _only_ended() -> Refusal:
    return Refusal(
        _("The account is closed: its subscription can only be ended, by setting its tier to 0."),
        _("The account is closed."),
    )


def _nothing_runs() -> Refusal:
    return Refusal(_("No subscription is running: set a tier with an end date to start one."))


def _ending(row: Picture, line: Line, ends_at: datetime | None, now: datetime) -> Picture:
    """The subscription with this end. Time that is added is a period that counts its whole
    months."""
    if row.ends_at is not None and (ends_at is None or ends_at > row.ends_at):
        months = whole_months(row.ends_at, ends_at) if ends_at else 0
        return _lengthened(row, line, ends_at, months, now)
    assert ends_at is not None
    return replace(row, ends_at=ends_at, spans=_cut(row, ends_at, line.anchor))


def _lengthened(
    row: Picture, line: Line, ends_at: datetime | None, months: int, now: datetime
) -> Picture:
    assert row.ends_at is not None
    added = Span(NEW, line.id, line.tier, row.ends_at, ends_at, months, now)
    return replace(row, ends_at=ends_at, spans=(*row.spans, added))


def decide_tier_and_end(
    row: Picture, tier: int | None, ends_at: datetime | None, now: datetime
) -> Verdict:
    """What setting the tier and then the end does, as one change; None stands for what is left as
    it is. For acts that bring several facts of a user at once."""
    if tier is None or (tier == row.effective_tier(now) and tier > 0):
        same = ends_at is None or ends_at == row.ends_at
        return None if same else _decide_set_expiry(row, {"ends_at": ends_at}, now)
    first = _decide_set_tier(row, {"tier": tier, "ends_at": ends_at}, now)
    if not isinstance(first, Change) or tier == 0 or not row.running(now) or ends_at is None:
        return first
    second = _decide_set_expiry(first.data[0], {"ends_at": ends_at}, now)
    if not isinstance(second, Change):
        return second or first
    return Change(before=first.before, after=second.after, data=(second.data[0], first.data[1]))


# subscriptions.extend


def _decide_extend(row: Picture, params: Mapping[str, Any], now: datetime) -> Verdict:
    amount = params["amount"]
    if refusal := why_not_extended(row, now):
        return refusal
    line = row.running(now)
    assert line is not None
    assert row.ends_at is not None
    if amount == 0:
        return None
    if row.ends_at > now + FURTHEST and amount > 0:
        return _beyond(row.ends_at, now)
    in_days = params["unit"] == "days"
    anchor = line.anchor if in_days else _anchor(line, row.ends_at)
    ends_at = (
        row.ends_at + timedelta(days=amount)
        if in_days
        else add_months(anchor, months_apart(anchor, row.ends_at) + amount)
    )
    if refusal := _beyond(ends_at, now):
        return refusal
    if anchor != line.anchor:
        line = line._replace(anchor_at=anchor)
    new = replace(row, lines=_with(row, line))
    if amount > 0:
        new = _lengthened(new, line, ends_at, 0 if in_days else amount, now)
        return _change(row, new, Kind.EXTENDED, now)
    new = replace(new, ends_at=ends_at, spans=_cut(row, ends_at, anchor))
    return _change(row, new, Kind.SHORTENED, now)


def why_not_extended(row: Picture, now: datetime) -> Refusal | None:
    """Why no span can be added or taken, however long."""
    if refusal := why_no_other_end(row, now):
        return refusal
    if row.ends_at is None:
        return Refusal(_("It runs without end. To give it one, set its end."))
    return None


def _anchor(line: Line, ends_at: datetime) -> datetime:
    """From where the months of a subscription with this end are counted: its anchor, or its end
    where that is not on the anchor's days (it was set by hand)."""
    on_its_day = add_months(line.anchor, months_apart(line.anchor, ends_at)) == ends_at
    return line.anchor if on_its_day else ends_at


# Writing, and undoing

_EVENTS = """COPY subscriptions_event (user_id, subscription_id, kind, at, actor_id, act_id, before,
    after) FROM STDIN"""


def _write(changes: Sequence[tuple[Picture, Change]], act: ActContext) -> dict[int, Any]:
    written = lives.write([(row, change.data[0]) for row, change in changes])
    with connection.cursor() as cursor, cursor.copy(_EVENTS) as copy:
        for (row, change), new in zip(changes, written, strict=True):
            copy.write_row(
                (
                    row.target_id,
                    new.newest if new.newest is not None else row.newest,
                    change.data[1].value,
                    act.now,
                    act.actor.pk,
                    act.id,
                    as_json(change.before),
                    as_json(change.after),
                )
            )
    return {
        row.target_id: _way_back(row, new)
        for (row, _change_), new in zip(changes, written, strict=True)
    }


def _way_back(old: Picture, new: Picture) -> dict[str, Any]:
    """What undo needs: where the user stood, the rows as they were, and the ids of those that were
    not; and the version that must still be."""
    back = lives.difference(new, old)
    return {
        "version": new.version + 1,
        "standing": _as_text([old.newest, old.tier, old.ends_at, old.months]),
        "lines": [_as_text(line) for line in back.lines],
        "spans": [_as_text(span) for span in back.spans],
        "gone_lines": back.gone_lines,
        "gone_spans": back.gone_spans,
    }


def _as_text(values: Sequence[Any]) -> list[Any]:
    """Moments to the microsecond, which JSON as audit writes it would round."""
    return [each.isoformat() if isinstance(each, datetime) else each for each in values]


def _restored(row: Picture, back: Mapping[str, Any]) -> Picture:
    newest, tier, ends_at, months = back["standing"]
    lines = tuple(
        Line(pk, level, source, _moment(created), _maybe(ended), _maybe(anchor))
        for pk, level, source, created, ended, anchor in back["lines"]
    )
    spans = tuple(
        Span(pk, line, level, _moment(starts), _maybe(ends), number, _moment(created))
        for pk, line, level, starts, ends, number, created in back["spans"]
    )
    return replace(
        row,
        newest=newest,
        tier=tier,
        ends_at=_maybe(ends_at),
        months=months,
        lines=_put_back(row.lines, lines, back["gone_lines"]),
        spans=_put_back(row.spans, spans, back["gone_spans"]),
    )


def _put_back(now: Sequence[Any], then: Sequence[Any], gone: Sequence[int]) -> tuple[Any, ...]:
    replaced = {row.id for row in then} | set(gone)
    return (*(row for row in now if row.id not in replaced), *then)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else _moment(text)


def _decide_undo(row: Picture, params: Mapping[str, Any], now: datetime) -> Verdict:
    back = params["receipts"][row.target_id]
    if row.version != back["version"]:
        return Refusal(_("The subscription changed since."))
    new = _restored(row, back)
    if row.closed and new.running(now):
        return _only_ended()
    return Change(before=_facts(row, now), after=_facts(new, now), data=(new, Kind.UNDONE))


def _procedures(
    code: str, decide: Callable[[Picture, Mapping[str, Any], datetime], Verdict]
) -> tuple[Procedure, Procedure]:
    """An act on subscriptions, and its inverse over its receipts."""
    act = Procedure(code=code, load=lives.load, decide=decide, write=_write, version=version)
    undo = Procedure(code=code, load=lives.load, decide=_decide_undo, write=_write)
    return act, undo


SET_TIER, UNDO_SET_TIER = _procedures("subscriptions.set_tier", _decide_set_tier)
SET_EXPIRY, UNDO_SET_EXPIRY = _procedures("subscriptions.set_expiry", _decide_set_expiry)
EXTEND, UNDO_EXTEND = _procedures("subscriptions.extend", _decide_extend)
