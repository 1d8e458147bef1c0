"""What a run did, user by user, as a file for whoever ran it; on the record like every export."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import record, reports
from audit.models import Act, Receipt
from coai_admin.console.exports import Sent, harmless_text
from users.models import User
from users.templatetags.acts import field_name

ACTION = "exports.run"
_BLOCK = 2_000
_BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_FIELDS = """
SELECT DISTINCT name FROM (
    SELECT jsonb_object_keys(changes) FROM audit_entry WHERE act_id = %(act)s AND action = %(code)s
    UNION ALL
    SELECT jsonb_object_keys(personal.changes)
      FROM audit_entry AS entry JOIN audit_personal AS personal
        ON personal.entry_id = entry.id AND personal.created_at = entry.created_at
     WHERE entry.act_id = %(act)s AND entry.action = %(code)s
       AND jsonb_typeof(personal.changes) = 'object') AS names (name)
 ORDER BY name
"""


@dataclass(slots=True)
class Results:
    """The results of one act for one reader, and how much of them was sent."""

    act: Act
    viewer: User
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    sent: Sent = field(default_factory=Sent)

    def begin(self, now: datetime) -> None:
        """Record that they are taken."""
        self._record({"export": self.id, "rows": None, "complete": None}, now)

    def finished(self) -> None:
        """Record how much left the house."""
        facts = {"export": self.id, "rows": self.sent.rows, "complete": self.sent.complete}
        self._record(facts, time_now())

    def _record(self, changes: Mapping[str, Any], now: datetime) -> None:
        record.entry(
            ACTION,
            actor=self.viewer,
            now=now,
            target=("run", None, self.act.code),
            changes={name: value for name, value in changes.items() if value is not None},
            act_id=self.act.pk,
        )

    def blocks(self) -> Iterator[bytes]:
        """The file: one line for each target, in the order of ids."""
        names = _fields(self.act)
        heads = [_("%(field)s before"), _("%(field)s after")]
        yield _lines(
            [
                ["ID", _("Username"), _("Outcome"), _("Reason")]
                + [head % {"field": field_name(name)} for name in names for head in heads]
            ],
            mark=_BYTE_ORDER_MARK,
        )
        after = 0
        while found := list(
            Receipt.objects.filter(act=self.act, target_id__gt=after)
            .order_by("target_id")
            .only("target_id", "outcome", "refusal")[:_BLOCK]
        ):
            yield _lines(self._rows(found, names))
            self.sent.rows += len(found)
            after = found[-1].target_id
        self.sent.complete = True

    def _rows(self, receipts: Sequence[Receipt], names: Sequence[str]) -> Iterator[list[Any]]:
        ids = [each.target_id for each in receipts]
        usernames = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
        lines = reports.of_act(self.act, ids, self.viewer)
        for each in receipts:
            line = lines.get(each.target_id)
            changes = {change.name: change for change in line.changes} if line else {}
            values = [
                value
                for name in names
                for value in (
                    (changes[name].before, changes[name].after) if name in changes else ("", "")
                )
            ]
            outcome = Receipt.Outcome(each.outcome).label
            name = usernames.get(each.target_id, "")
            yield [each.target_id, name, str(outcome), each.refusal, *values]


def _fields(act: Act) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_FIELDS, {"act": act.pk, "code": act.code})
        return [name for [name] in cursor.fetchall()]


def _lines(rows: Any, *, mark: str = "") -> bytes:
    text = io.StringIO()
    text.write(mark)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return harmless_text(value) if isinstance(value, str) else value
