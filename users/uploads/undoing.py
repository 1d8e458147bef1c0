"""Taking an import back, user by user: each part by the inverse of the procedure that did it. A
user of whom one part cannot be taken back is left alone and listed. Created accounts are closed, if
nobody has used them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from audit.targets import among
from billing.adjustments import UNDO_ADJUST_CREDITS
from subscriptions.lifecycle import UNDO_SET_TIER
from users.models import User
from users.profile.closing import CLOSE
from users.profile.notes import UNDO_ADD_NOTE
from users.profile.tagging import UNDO_TAG
from users.uploads.deciding import CREATED, CREDITS, FACTS, NOTE, PROFILE, SUBSCRIPTION, TAGS
from users.uploads.writing import set_profiles

# What closes comes last: a closed account has its subscription taken back before.
_INVERSES: dict[str, Procedure] = {
    TAGS: UNDO_TAG,
    CREDITS: UNDO_ADJUST_CREDITS,
    SUBSCRIPTION: UNDO_SET_TIER,
    NOTE: UNDO_ADD_NOTE,
    CREATED: CLOSE,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """A user whom an import changed: as they are now, what it did, and the row that each inverse
    decides on, by part."""

    target_id: int
    facts: Mapping[str, str]
    used: bool
    done: Mapping[str, Any]
    rows: Mapping[str, Any]


def load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Imported]:
    """These users in id order, with what the receipts say."""
    receipts = {target: params["receipts"][target] for target in ids}
    rows: dict[int, dict[str, Any]] = {target: {} for target in ids}
    for part, procedure in _INVERSES.items():
        concerned = [target for target in sorted(ids) if part in receipts[target]]
        if concerned:
            of_part = _params(part, receipts, params)
            for row in procedure.load(concerned, lock=lock, params=of_part):
                rows[row.target_id][part] = row
    people = User.objects.filter(among("pk", ids)).order_by("pk")
    columns = ("pk", "last_seen_at", "password_changed_at", *FACTS)
    return [
        Imported(
            target_id=pk,
            facts=dict(zip(FACTS, facts, strict=True)),
            used=seen is not None or chosen is not None,
            done=receipts[pk],
            rows=rows[pk],
        )
        for pk, seen, chosen, *facts in people.values_list(*columns)
    ]


def _params(
    part: str, receipts: Mapping[int, Mapping[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    of_part = {target: done[part] for target, done in receipts.items() if part in done}
    return {**params, "receipts": of_part}


def decide(row: Imported, params: Mapping[str, Any], now: datetime) -> Verdict:
    """The changes of all parts as one, or the first refusal of any."""
    if row.used and CREATED in row.done:
        return Refusal(_("They have signed in since."))
    parts: dict[str, Change] = {}
    for part, verdict in _verdicts(row, params, now):
        if isinstance(verdict, Refusal):
            return verdict
        if verdict is not None:
            parts[part] = verdict
    if not parts:
        return None
    return Change(
        before={field: value for part in parts.values() for field, value in part.before.items()},
        after={field: value for part in parts.values() for field, value in part.after.items()},
        data=parts,
    )


def _verdicts(
    row: Imported, params: Mapping[str, Any], now: datetime
) -> Iterator[tuple[str, Verdict]]:
    if PROFILE in row.done:
        yield PROFILE, _profile(row)
    of_row = {row.target_id: row.done}
    for part, procedure in _INVERSES.items():
        if part not in row.done:
            continue
        if part not in row.rows:
            yield part, Refusal(_("What was changed is not there any more."))
        else:
            yield part, procedure.decide(row.rows[part], _params(part, of_row, params), now)


def _profile(row: Imported) -> Change | Refusal:
    done: Mapping[str, list[str | None]] = row.done[PROFILE]
    if any(row.facts[field] != (after or "") for field, (_before, after) in done.items()):
        return Refusal(_("Country, language or time zone were changed since."))
    return Change(
        before={field: after for field, (_before, after) in done.items()},
        after={field: before for field, (before, _after) in done.items()},
    )


def write(changes: Sequence[tuple[Imported, Change]], act: ActContext) -> dict[int, Any]:
    """Bring the changes about."""
    profiles = {
        row.target_id: {
            **row.facts,
            **{field: value or "" for field, value in change.data[PROFILE].after.items()},
        }
        for row, change in changes
        if PROFILE in change.data
    }
    if profiles:
        set_profiles(profiles)
    receipts = {row.target_id: row.done for row, _change in changes}
    for part, procedure in _INVERSES.items():
        pairs = [
            (row.rows[part], change.data[part]) for row, change in changes if part in change.data
        ]
        if pairs:
            params = _params(part, receipts, act.params)
            procedure.write(pairs, replace(act, code=procedure.code, params=params))
    return {row.target_id: {} for row, _change in changes}
