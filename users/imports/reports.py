"""The account of an import: what was read and what became of it, row by row and credit by
credit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from users.imports.rows import IMPORTED, KEPT, QUARANTINED, Tally
from users.imports.tables import Table
from users.imports.values import PLACES

# Counted in every report, also where there are none.
ALWAYS = (
    "default_root_password",
    "null_email",
    "username_case_collision",
    "email_case_collision",
    "shared_password_hash",
    "no_quota_row",
    "negative_balance",
    "tier_without_expiry",
    "expiry_without_tier",
    "neither_tier_nor_expiry",
    "negative_total_month",
    "orphan_row",
)


class ImportUnproved(Exception):
    """What was written does not account for what was read. The text says where; the run counts as
    failed."""


def counted(tally: Tally, found: Mapping[str, int]) -> dict[str, Any]:
    """The part of the report that the source alone decides. ``found``: oddities counted among all
    people."""
    anomalies = {**dict.fromkeys(ALWAYS, 0), **tally.anomalies, **found}
    return {
        "tables": {
            name: {state: counts[state] for state in ("read", IMPORTED, KEPT, QUARANTINED)}
            for name, counts in sorted(tally.tables.items())
        },
        "sums": {"quota": shown(tally.quota), "used": shown(tally.used)},
        "active_by_level": {
            str(level): number for level, number in sorted(tally.active_by_level.items())
        },
        "admins": tally.admins,
        "banned": tally.banned,
        "anomalies": {
            kind: number for kind, number in sorted(anomalies.items()) if number or kind in ALWAYS
        },
        "quarantined_sums": {
            "quota": shown(tally.quarantined_quota),
            "used": shown(tally.quarantined_used),
        },
        "rounding": {"amounts": tally.rounded, "total": str(tally.residual)},
    }


def shown(amount: Decimal) -> str:
    """Credits with their six places, never in exponents."""
    return format(amount.quantize(PLACES), "f")


def check_rows(tally: Tally, tables: Mapping[str, Table], *, snapshot: bool) -> None:
    """Every row that the database counted was read, and each became something. ``snapshot``: the
    counts and the rows are of the same moment. Raises ImportUnproved."""
    for name, table in tables.items():
        counts = tally.tables.get(name, Counter())
        read = counts["read"]
        if snapshot and read != table.rows:
            raise ImportUnproved(
                _("%(table)s holds %(there)d rows, but %(read)d were read.")
                % {"table": name, "there": table.rows, "read": read}
            )
        if read != sum(counts[state] for state in (IMPORTED, KEPT, QUARANTINED)):
            raise ImportUnproved(
                _("%(table)s: not every row was imported, kept or quarantined.") % {"table": name}
            )


_FILLED = (
    "users_user",
    "users_legacyrow (source, table_name, key, state, run_id, user_id)",
    "users_apikey",
    "users_restriction",
    "billing_account",
    "billing_transfer",
    "billing_statistics",
    "subscriptions_standing",
    "subscriptions_subscription",
    "subscriptions_period",
)


def refresh_planner() -> None:
    """Let PostgreSQL look at the tables that were just filled; until then it plans for empty
    ones."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(_FILLED)}")


def check_ledger(source: str) -> None:
    """The opening transfers of the deployment's people, corrections included, are the balances that
    the source told, and so are their used credits. Raises ImportUnproved."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH told AS (
                SELECT user_id, COALESCE((facts ->> 'quota')::numeric, 0) AS quota,
                    COALESCE((facts ->> 'used')::numeric, 0) AS used
                FROM users_legacyrow
                WHERE source = %s AND table_name = 'auth' AND state = 'imported'
            ), booked AS (
                SELECT a.user_id, sum(t.delta) AS quota
                FROM billing_account a JOIN billing_transfer t ON t.account_id = a.id
                WHERE t.code IN (150, 151) AND a.user_id IN (SELECT user_id FROM told)
                GROUP BY a.user_id
            )
            SELECT count(*) FILTER (WHERE COALESCE(b.quota, 0) <> t.quota),
                count(*) FILTER (WHERE a.opening_used IS DISTINCT FROM t.used)
            FROM told t
            LEFT JOIN billing_account a ON a.user_id = t.user_id
            LEFT JOIN booked b ON b.user_id = t.user_id
            WHERE a.status IS DISTINCT FROM 3
            """,
            [source],
        )
        balances, used = cursor.fetchone()
    if balances or used:
        raise ImportUnproved(
            _(
                "The balances of %(balances)d and the used credits of %(used)d people are not "
                "those of the source."
            )
            % {"balances": balances, "used": used}
        )


def vanished(before: Mapping[str, int], tally: Tally, new: Mapping[str, int]) -> dict[str, int]:
    """Rows of earlier imports that the source does not have any more, per table; they stay here."""
    gone = {
        name: there - (tally.tables.get(name, Counter())["read"] - new.get(name, 0))
        for name, there in before.items()
    }
    return {name: number for name, number in sorted(gone.items()) if number > 0}


def legacy_rows(source: str) -> dict[str, int]:
    """How many rows of each table earlier imports kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, count(*) FROM users_legacyrow WHERE source = %s GROUP BY 1",
            [source],
        )
        return dict(cursor.fetchall())
