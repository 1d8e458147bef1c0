"""What is done to subscriptions. Beside subscriptions.loading the only module that writes
subscriptions, periods and standings."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection


def open_standings(user_ids: Sequence[int]) -> None:
    """Give each of these users a standing (tier 0, no subscription), in one statement; who has one
    keeps it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO subscriptions_standing (user_id, tier, months, legacy_months, version)
            SELECT id, 0, 0, 0, 0 FROM unnest(%s::bigint[]) AS id
            ON CONFLICT (user_id) DO NOTHING
            """,
            [list(user_ids)],
        )
