"""What a row of a file does to its user. Pure: whatever it says is judged by the rules of the act
that does the same by hand, and a row is done whole or refused whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from audit.procedures import Change, Refusal, Verdict
from billing.adjustments import ADJUST_CREDITS
from subscriptions.lifecycle import decide_tier_and_end
from users.profile.names import why_not_a_name
from users.profile.tagging import TAG
from users.uploads.lines import Line

FACTS = ("country", "locale", "timezone")
CREATED, PROFILE, TAGS, CREDITS, SUBSCRIPTION, NOTE = (
    "created",
    "profile",
    "tags",
    "credits",
    "subscription",
    "note",
)


def decide(line: Line, params: Mapping[str, Any], now: datetime) -> Verdict:
    """A Change whose ``data`` holds the change of each part, by name; a Refusal; or None where all
    is as the row says."""
    refusal = _why_not_new(line) if line.is_new else _why_not_known(line)
    if refusal:
        return refusal
    parts: dict[str, Change] = {}
    for name, verdict in _verdicts(line, now):
        if isinstance(verdict, Refusal):
            return verdict
        if verdict is not None:
            parts[name] = verdict
    if not parts:
        return None
    return Change(
        before={field: value for part in parts.values() for field, value in part.before.items()},
        after={field: value for part in parts.values() for field, value in part.after.items()},
        data=parts,
    )


def _why_not_new(line: Line) -> Refusal | None:
    if line.known is not None:
        return Refusal(_("This user was made already."))
    if why := why_not_a_name(line.name):
        return Refusal(why, _("No name that can be given."))
    if line.holder:
        return Refusal(
            _("%(holder)s signs in by this name or address already.") % {"holder": line.holder},
            _("The name or address is taken."),
        )
    if line.lookalike:
        return Refusal(
            _("It would pass for the username %(name)s.") % {"name": line.lookalike},
            _("It would pass for another name."),
        )
    return None


def _why_not_known(line: Line) -> Refusal | None:
    """Names and addresses of users only tell who is meant: an import gives nobody another one."""
    known = line.known
    if known is None:
        return Refusal(_("This user does not exist any more."))
    if known.closed:
        return Refusal(_("The account is closed. Reopen it first."))
    name, email = line.values.get("username"), line.values.get("email")
    if name and name.casefold() != known.username.casefold():
        return Refusal(
            _("They are called %(name)s here. An import renames nobody.")
            % {"name": known.username},
            _("Called otherwise here. An import renames nobody."),
        )
    if email and email.casefold() != (known.email or "").casefold():
        return Refusal(
            _("They have another address here. An import changes none: use “Change email”."),
            _("Has another address here. An import changes none."),
        )
    return None


def _verdicts(line: Line, now: datetime) -> Iterator[tuple[str, Verdict]]:
    if line.is_new:
        yield CREATED, _created(line)
    yield PROFILE, _profile(line)
    if line.tagged:
        yield TAGS, TAG.decide(line.tagged, {}, now)
    if line.holding:
        yield CREDITS, ADJUST_CREDITS.decide(line.holding, {"delta": _credits(line)}, now)
    if line.picture:
        yield SUBSCRIPTION, _subscription(line, now)
    if "note" in line.values:
        yield NOTE, Change(before={"note": None}, after={"note": _("added")})


def _created(line: Line) -> Change:
    """The address is not verified: only its owner can do that."""
    after = {"username": line.name, "email": line.values.get("email")}
    return Change(before=dict.fromkeys(after), after=after)


def _profile(line: Line) -> Change | None:
    before = {field: getattr(line.known, field, "") for field in FACTS}
    after = {field: line.values.get(field, before[field]) for field in FACTS}
    changed = [field for field in FACTS if before[field] != after[field]]
    if not changed:
        return None
    return Change(
        before={field: before[field] or None for field in changed},
        after={field: after[field] for field in changed},
    )


def _credits(line: Line) -> Decimal:
    return Decimal(line.values.get("credits", "0"))


def _subscription(line: Line, now: datetime) -> Verdict:
    tier, ends = line.values.get("tier"), line.values.get("expires")
    ends_at = datetime.fromisoformat(ends) if ends else None
    assert line.picture is not None
    if _cut(line.picture.ends_at) == ends_at:
        ends_at = line.picture.ends_at
    if tier == 0 and ends_at is not None and ends_at > now:
        return Refusal(_("Tier 0 is no subscription, so it has no end in the future."))
    return decide_tier_and_end(line.picture, tier, ends_at, now)


def _cut(ends_at: datetime | None) -> datetime | None:
    """An end as exports show it, to the second: what comes back from one is the same end."""
    return ends_at.replace(microsecond=0) if ends_at else None
