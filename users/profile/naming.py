"""How a username is changed: the procedures behind ``users.rename``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection
from django.utils.translation import gettext as _

from audit.execution import OperationRefused
from audit.procedures import ActContext, Change, Procedure, Refusal, Verdict
from users.profile.names import look, why_not_a_name


@dataclass(frozen=True, slots=True)
class Named:
    """A user before the change: the name, the one that is wanted, and whose that is already."""

    target_id: int
    username: str
    wanted: str
    holder: str
    lookalike: str


# PostgreSQL compares the names: Python lower-cases some letters differently. An address, or the
# name that somebody had in CoAI, signs in as a username does, so those are taken too.
_LOAD = """
SELECT u.id, u.username, w.wanted,
       coalesce((SELECT o.username FROM users_user o WHERE o.id <> u.id AND (
           lower(o.username) = lower(w.wanted) OR lower(o.email) = lower(w.wanted)
           OR o.legacy_username = w.wanted) ORDER BY o.id LIMIT 1), ''),
       coalesce((SELECT o.username FROM users_user o WHERE o.id <> u.id
           AND w.look <> w.wanted AND lower(o.username) = lower(w.look) LIMIT 1), '')
  FROM users_user u
  JOIN unnest(%s::bigint[], %s::text[], %s::text[]) AS w(id, wanted, look) ON w.id = u.id
 ORDER BY u.id
"""


def _rows(wanted: Mapping[int, str], *, lock: bool) -> list[Named]:
    names = list(wanted.values())
    with connection.cursor() as cursor:
        cursor.execute(
            _LOAD + (" FOR NO KEY UPDATE OF u" if lock else ""),
            [list(wanted), names, [look(name) for name in names]],
        )
        return [Named(*row) for row in cursor.fetchall()]


def _load(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Named]:
    return _rows(dict.fromkeys(ids, params["username"]), lock=lock)


def version(row: Named) -> int:
    """A number for the name that was seen: who renames has seen what from."""
    return int.from_bytes(hashlib.sha256(row.username.encode()).digest()[:6], "big")


def _decide(row: Named, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.username == row.wanted:
        return None
    if why := why_not_a_name(row.wanted):
        return Refusal(why)
    return _free(row) or _lookalike(row) or _change(row)


def _free(row: Named) -> Refusal | None:
    if not row.holder:
        return None
    return Refusal(
        _("%(name)s is taken: %(holder)s signs in by it.")
        % {"name": row.wanted, "holder": row.holder},
        _("The name is taken."),
    )


def _lookalike(row: Named) -> Refusal | None:
    if not row.lookalike:
        return None
    return Refusal(_("It would pass for the username %(name)s.") % {"name": row.lookalike})


def _change(row: Named) -> Change:
    return Change(before={"username": row.username}, after={"username": row.wanted})


def _write(changes: Sequence[tuple[Named, Change]], act: ActContext) -> dict[int, Any]:
    """Raises OperationRefused where somebody took the name at the same moment: the unique index
    has the last word."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE users_user u SET username = w.wanted
                  FROM unnest(%s::bigint[], %s::text[]) AS w(id, wanted) WHERE u.id = w.id
                """,
                [
                    [row.target_id for row, _change in changes],
                    [row.wanted for row, _change in changes],
                ],
            )
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if getattr(diagnosis, "constraint_name", "") != "user_username_unique":
            raise
        raise OperationRefused(_("Somebody else took this name just now.")) from error
    return {row.target_id: {"was": row.username, "is": row.wanted} for row, _change in changes}


def _load_undo(ids: Sequence[int], *, lock: bool, params: Mapping[str, Any]) -> list[Named]:
    return _rows({target: params["receipts"][target]["was"] for target in ids}, lock=lock)


def _decide_undo(row: Named, params: Mapping[str, Any], now: datetime) -> Verdict:
    if row.username != params["receipts"][row.target_id]["is"]:
        return Refusal(_("The username was changed again since."))
    return _free(row) or _change(row)


_PERSONAL = frozenset({"username"})
RENAME = Procedure(
    code="users.rename",
    load=_load,
    decide=_decide,
    write=_write,
    version=version,
    personal=_PERSONAL,
)
UNDO_RENAME = Procedure(
    code="users.rename", load=_load_undo, decide=_decide_undo, write=_write, personal=_PERSONAL
)
