"""The record as people read it: entries as lines with before and after, and what was done lately.
Who sees only their own records sees only these; who sees personal data masked sees it masked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from audit.actions import Action
from audit.models import Act, AuditEntry, AuditPersonal, OutboxMessage, Run
from audit.people import Reader
from coai_admin.console.masks import HIDDEN, masked_email, masked_ip

INSPECT = "audit.inspect"
_PATIENCE = timedelta(minutes=5)


class FieldChange(NamedTuple):
    """A recorded field. ``pair``: it went from ``before`` to ``after``; otherwise ``after`` is a
    plain fact."""

    name: str
    before: Any
    after: Any
    pair: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as a page shows it. Names are as they were then; they are empty where the person
    was erased."""

    pk: int
    at: datetime
    code: str
    actor_id: int | None
    actor_name: str
    acting_for_id: int | None
    target_type: str
    target_id: int | None
    target_name: str
    changes: Sequence[FieldChange]
    reason: str
    ticket: str
    ip: str
    request_id: str
    act_id: uuid.UUID | None
    act: Act | None

    @property
    def undoes(self) -> bool:
        """Whether it was done by undoing an earlier act."""
        return bool(self.act and self.act.code == self.code and self.act.undoes_id)

    @property
    def others(self) -> int:
        """How many more were changed by the same act."""
        return max(0, self.act.changed - 1) if self.act and self.about_user else 0

    @property
    def about_user(self) -> bool:
        return self.target_type == "user" and self.target_id is not None


@dataclass(frozen=True, slots=True)
class Deed:
    """A performed act in one line: whom it changed where that is one person."""

    act: Act
    target_id: int | None = None
    target_name: str = ""


def visible(viewer: Reader) -> QuerySet[AuditEntry]:
    """The entries this person may read."""
    entries = AuditEntry.objects.all()
    return entries.filter(actor_id=viewer.pk) if viewer.sees_only_own(INSPECT) else entries


def about_user(user_id: int, viewer: Reader) -> QuerySet[AuditEntry]:
    """What was done to one user, as far as this person may read it."""
    return visible(viewer).filter(target_type="user", target_id=user_id)


def latest_about_user(user_id: int, viewer: Reader, *, limit: int) -> list[Line]:
    """The newest entries about a user, newest first, in two statements."""
    newest = about_user(user_id, viewer).order_by("-created_at", "-id")
    return _lines(newest.select_related("personal")[:limit], viewer)


def about_run(run: Run, viewer: Reader) -> list[Line]:
    """What people did with a run, in the order in which they did it, as far as this person may read
    it: asked for it, decided about it, paused it. Not what it did to users."""
    entries = visible(viewer).filter(target_type="run", target_id=None, act_id=run.pk)
    since = entries.filter(created_at__gte=run.created_at)
    return _lines(since.select_related("personal").order_by("created_at", "id"), viewer)


def of_act(act: Act, targets: Collection[int], viewer: Reader) -> dict[int | None, Line]:
    """What an act changed in these users, by user, as far as this person may read it."""
    written = visible(viewer).filter(act_id=act.pk, target_type="user", target_id__in=targets)
    own = written.filter(action=act.code)  # not what came of it later
    found = lines(list(own.values_list("pk", flat=True)), viewer)
    return {line.target_id: line for line in found}


def line(entry_id: int, viewer: Reader) -> Line | None:
    """One entry; None where it does not exist or is not this person's to read."""
    if not visible(viewer).filter(pk=entry_id).exists():
        return None
    [found] = lines([entry_id], viewer)
    return found


def lines(ids: Collection[int], viewer: Reader) -> list[Line]:
    """These entries as lines, in any order, in two statements."""
    if not ids:
        return []
    return _lines(AuditEntry.objects.filter(pk__in=ids).select_related("personal"), viewer)


def _lines(rows: Iterable[AuditEntry], viewer: Reader) -> list[Line]:
    """These entries, with what is personal in them, as lines in the same order; one statement for
    their acts, where they are of any."""
    entries = list(rows)
    acts = Act.objects.in_bulk({entry.act_id for entry in entries if entry.act_id})
    masked = viewer.sees_masked(INSPECT) or viewer.sees_masked("users.inspect")
    return [_line(entry, acts, masked=masked) for entry in entries]


def _line(entry: AuditEntry, acts: Mapping[uuid.UUID, Act], *, masked: bool) -> Line:
    personal: AuditPersonal | None = getattr(entry, "personal", None)
    ip = (personal.ip or "") if personal else ""
    changes = _changes(entry.changes)
    if personal and personal.changes:
        changes += _changes(personal.changes, masked=masked)
    return Line(
        pk=entry.pk,
        at=entry.created_at,
        code=entry.action,
        actor_id=entry.actor_id,
        actor_name=personal.actor_name if personal else "",
        acting_for_id=entry.acting_for_id,
        target_type=entry.target_type,
        target_id=entry.target_id,
        target_name=_name_of_target(entry, personal, masked=masked),
        changes=changes,
        reason=entry.reason,
        ticket=entry.ticket,
        ip=(masked_ip(ip) or "") if masked else ip,
        request_id=entry.request_id,
        act_id=entry.act_id,
        act=acts.get(entry.act_id) if entry.act_id else None,
    )


def _name_of_target(entry: AuditEntry, personal: AuditPersonal | None, *, masked: bool) -> str:
    """Usernames are shown to all; what is no user (an invitation, say) may be named by an
    address."""
    name: str = personal.target_name if personal else ""
    if masked and entry.target_type != "user" and "@" in name:
        return masked_email(name) or ""
    return name


def _changes(recorded: Mapping[str, Any], *, masked: bool = False) -> list[FieldChange]:
    """The fields of an entry. An operation records pairs of before and after, anything else plain
    facts."""
    fields = []
    for name, value in recorded.items():
        pair = isinstance(value, list) and len(value) == 2
        before, after = (_shown(each, masked=masked) for each in (value if pair else (None, value)))
        if not pair or before != after or masked:
            fields.append(FieldChange(name, before, after, pair))
    return fields


def _shown(value: Any, *, masked: bool) -> Any:
    if value is None or value == "":
        return value
    if masked:
        return masked_email(value) if isinstance(value, str) and "@" in value else HIDDEN
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value


class Latest(NamedTuple):
    """What was done lately, newest first: by oneself, and by everybody (for those who may know)."""

    mine: list[Deed]
    everybody: list[Deed]


def latest_acts(viewer: Reader, *, limit: int) -> Latest:
    """The newest acts in three statements. Each ``act`` knows what undid it."""
    done = Act.objects.filter(changed__gt=0)  # runs that have just begun did nothing yet
    acts = done.select_related("undone_by", "actor").order_by("-created_at", "-id")
    mine = list(acts.filter(actor=viewer.pk)[:limit])
    everybody = [] if viewer.sees_only_own(INSPECT) else list(acts[:limit])
    targets = _single_targets({act.pk for act in (*mine, *everybody) if act.changed == 1})
    return Latest(
        *(
            [Deed(act, *targets.get(act.pk, (None, ""))) for act in found]
            for found in (mine, everybody)
        )
    )


def _single_targets(acts: Collection[uuid.UUID]) -> dict[uuid.UUID | None, tuple[int | None, str]]:
    """Id and name of the one whom each of these acts changed; one statement."""
    if not acts:
        return {}
    entries = AuditEntry.objects.filter(act_id__in=acts).select_related("personal")
    return {
        entry.act_id: (entry.target_id, personal.target_name if personal else "")
        for entry in entries
        for personal in [getattr(entry, "personal", None)]
    }


def kind_condition(kind: str, actions: Mapping[str, Action]) -> Q:
    """The condition of entries of one kind: those of its codes."""
    return Q(action__in=[action.code for action in actions.values() if action.kind == kind])


class Undelivered(NamedTuple):
    """Effects that could not leave: how many messages (1,000 at most), and since when."""

    number: int
    since: datetime


def undelivered(now: datetime) -> Undelivered | None:
    """Messages of the outbox that failed or wait for longer than they should; None when all is
    well."""
    waiting = OutboxMessage.objects.filter(delivered_at__isnull=True)
    late = waiting.filter(Q(attempts__gt=0) | Q(due_at__lt=now - _PATIENCE))
    moments = list(late.order_by("due_at", "id").values_list("created_at", flat=True)[:1_000])
    return Undelivered(len(moments), min(moments)) if moments else None
