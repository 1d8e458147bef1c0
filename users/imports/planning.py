"""What the staged rows mean together: which deployment this is, who each person is here, whose
names collide, and what differs from the last import. Set-based, in the staging tables; nothing that
stays is written."""

from __future__ import annotations

from typing import Any

from django.db import connection

from users.imports.staging import PEOPLE

FIRST_SOURCE = "coai"

# Flags that a name or an address got when it was given; they stay while the source's name stays.
_GIVEN_FLAGS = ["renamed", "username_taken", "email_dropped", "email_taken"]

_KNOWN_SOURCES = f"""
    SELECT l.source
    FROM users_legacyrow l
    JOIN {PEOPLE} r ON r.table_name = 'auth' AND r.state = 'imported' AND r.key = l.key
    WHERE l.table_name = 'auth' AND l.state = 'imported'
    GROUP BY l.source
    HAVING 2 * count(*) FILTER (
        WHERE l.facts ->> 'username' = r.facts ->> 'username'
            OR l.facts ->> 'email' = r.facts ->> 'email' OR l.row -> 'token' = r.row -> 'token'
    ) > count(*)
    ORDER BY count(*) DESC, l.source
    LIMIT 1
"""  # noqa: S608 (names of our own tables)

# A person's facts are what the last import took, overlaid with what the source says now: a row that
# vanished there takes nothing away here.
_PERSONS = f"""
    CREATE TEMPORARY TABLE import_person AS
    SELECT a.user_ref, a.key AS auth_key, a.name, a.email, a.password, u.id AS user_id,
        base.facts AS base,
        COALESCE(base.facts, '{{}}') || a.facts || COALESCE(q.facts, '{{}}')
            || COALESCE(s.facts, '{{}}') || COALESCE(k.facts, '{{}}') AS facts,
        false AS key_taken, false AS new_password, false AS different, false AS changed
    FROM {PEOPLE} a
    LEFT JOIN {PEOPLE} q
        ON q.table_name = 'quota' AND q.user_ref = a.user_ref AND q.state = 'imported'
    LEFT JOIN {PEOPLE} s
        ON s.table_name = 'subscription' AND s.user_ref = a.user_ref AND s.state = 'imported'
    LEFT JOIN {PEOPLE} k
        ON k.table_name = 'apikey' AND k.user_ref = a.user_ref AND k.state = 'imported'
    LEFT JOIN users_user u ON u.legacy_source = %(source)s AND u.legacy_id = a.user_ref
    LEFT JOIN users_legacyrow base ON base.source = %(source)s AND base.table_name = 'auth'
        AND base.key = a.key AND u.id IS NOT NULL
    WHERE a.table_name = 'auth' AND a.state = 'imported'
"""  # noqa: S608

_GROUP_FLAGS = f"""
    CREATE TEMPORARY TABLE import_flag AS
    SELECT r.user_ref, unnest(r.flags) AS flag FROM {PEOPLE} r WHERE r.user_ref IS NOT NULL
    UNION ALL
    SELECT p.user_ref, 'no_quota_row' FROM import_person p
    WHERE NOT EXISTS (
        SELECT 1 FROM {PEOPLE} q WHERE q.table_name = 'quota' AND q.user_ref = p.user_ref
    )
    UNION ALL
    SELECT r.user_ref, 'username_is_email' FROM {PEOPLE} r
    JOIN {PEOPLE} other ON other.table_name = 'auth' AND other.email_folded = r.name_folded
        AND other.user_ref <> r.user_ref
    WHERE r.table_name = 'auth'
"""  # noqa: S608

_COMPARED_ROWS = f"""
    CREATE TEMPORARY TABLE import_stale AS
    SELECT r.user_ref, r.table_name, l.id IS NULL AS fresh FROM {PEOPLE} r
    LEFT JOIN users_legacyrow l ON l.source = %s AND l.table_name = r.table_name AND l.key = r.key
    WHERE r.state = 'imported' AND (l.digest, l.state) IS DISTINCT FROM (r.digest, r.state)
"""  # noqa: S608
_COMPARED_PEOPLE = """
    WITH flags AS (
        SELECT user_ref, jsonb_agg(DISTINCT flag) AS flags FROM import_flag GROUP BY user_ref
    ), complete AS (
        SELECT p.user_ref, p.facts || jsonb_build_object('flags', COALESCE(f.flags, '[]')) AS facts
        FROM import_person p LEFT JOIN flags f USING (user_ref)
    )
    UPDATE import_person p SET facts = c.facts,
        different = p.new_password OR p.base IS DISTINCT FROM c.facts OR (
            %s AND (c.facts ->> 'admin')::boolean AND p.base ->> 'given_role' = 'none'),
        changed = p.user_id IS NULL
            OR EXISTS (SELECT 1 FROM import_stale s WHERE s.user_ref = p.user_ref)
    FROM complete c WHERE c.user_ref = p.user_ref
"""

# Kind, the value that is shared, and the value that must differ for it to apply (None: none must).
_SHARED: tuple[tuple[str, str, str | None], ...] = (
    ("username_case_collision", "name_folded", "facts ->> 'username'"),
    ("email_case_collision", "email_folded", "facts ->> 'email'"),
    ("duplicate_username", "facts ->> 'username'", None),
    ("duplicate_email", "NULLIF(facts ->> 'email', '')", None),
    ("shared_password_hash", "password_group", None),
)


def known_source() -> str | None:
    """The deployment that the staged people belong to, as an earlier import named it: the one most
    of whose people have the same id and name. The file's path or the server's address may have
    changed."""
    row = _one(_KNOWN_SOURCES)
    return row[0] if row else None


def new_source() -> str:
    """A name for a deployment that was never imported: coai, coai-2, coai-3 …"""
    [count] = _one("SELECT count(DISTINCT source) FROM users_importrun") or (0,)
    return FIRST_SOURCE if count == 0 else f"{FIRST_SOURCE}-{count + 1}"


def forget() -> None:
    """Drop what was planned, to plan anew; the staged rows stay."""
    with connection.cursor() as cursor:
        for name in ("import_person", "import_flag", "import_name", "import_email", "import_stale"):
            cursor.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")


def find_people(source: str) -> dict[str, int]:
    """Bring each person's rows together with who they are here; returns how many of each oddity
    that only shows among all."""
    with connection.cursor() as cursor:
        cursor.execute(_PERSONS, {"source": source})
        cursor.execute("CREATE INDEX ON import_person (user_ref)")
        cursor.execute("ANALYZE import_person (user_ref, user_id)")
        cursor.execute(_GROUP_FLAGS)
        found = {}
        for kind, shared, distinct in _SHARED:
            groups, members = _flag_shared(cursor, kind, shared, distinct)
            found[kind] = members if kind == "shared_password_hash" else groups
        for kind in ("no_quota_row", "username_is_email"):
            cursor.execute(
                "SELECT count(DISTINCT user_ref) FROM import_flag WHERE flag = %s", [kind]
            )
            found[kind] = cursor.fetchone()[0]
    return found


def _flag_shared(cursor: Any, kind: str, shared: str, distinct: str | None) -> tuple[int, int]:
    """Flag the users who share a value; returns the number of groups and of members."""
    more = f"count(DISTINCT {distinct}) > 1" if distinct else "count(*) > 1"
    cursor.execute(
        f"""
        WITH shared AS (
            SELECT {shared} AS value, count(*) AS members FROM {PEOPLE}
            WHERE table_name = 'auth' AND {shared} IS NOT NULL GROUP BY 1 HAVING {more}
        ), flagged AS (
            INSERT INTO import_flag
            SELECT r.user_ref, %s FROM {PEOPLE} r JOIN shared ON shared.value = {shared}
            WHERE r.table_name = 'auth' AND r.user_ref IS NOT NULL
        )
        SELECT count(*), COALESCE(sum(members), 0) FROM shared
        """,  # noqa: S608 (our own expressions)
        [kind],
    )
    groups, members = cursor.fetchone()
    return groups, int(members)


def give_names() -> None:
    """Decide the username of everybody who is new or whose name changed at the source.

    Names are compared by PostgreSQL's lower(), as the unique index compares them. Of several the
    lowest legacy id keeps the name, unless somebody here has it already; the others become
    ``name~<legacy id>``.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TEMPORARY TABLE import_name AS
            WITH wanted AS (
                SELECT p.user_ref, p.user_id, p.name,
                    row_number() OVER (PARTITION BY lower(p.name) ORDER BY p.user_ref) AS place
                FROM import_person p
                WHERE p.user_id IS NULL
                    OR p.base ->> 'username' IS DISTINCT FROM p.facts ->> 'username'
            )
            SELECT w.user_ref, w.name, taken.source AS taken_by,
                CASE WHEN w.place = 1 AND taken.source IS NULL THEN w.name END AS given
            FROM wanted w
            LEFT JOIN LATERAL (
                SELECT u.legacy_source AS source FROM users_user u
                WHERE lower(u.username) = lower(w.name) AND u.id IS DISTINCT FROM w.user_id
            ) taken ON true
            """
        )
        cursor.execute(
            "SELECT user_ref, name FROM import_name WHERE given IS NULL ORDER BY user_ref"
        )
        losers = cursor.fetchall()
        attempt = 0
        while losers:
            attempt += 1
            suffix = "" if attempt == 1 else f"~{attempt}"
            losers = _rename(cursor, losers, suffix)
        _flag_given(cursor, "import_name", "renamed", "username_taken", "n.given <> n.name")


def _rename(cursor: Any, losers: list[tuple[int, str]], suffix: str) -> list[tuple[int, str]]:
    """Give ``name~id`` to those where it is free; returns the others."""
    cursor.execute(
        """
        WITH offer AS (
            SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS o(user_ref, name, given)
        )
        UPDATE import_name n SET given = o.given FROM offer o
        WHERE n.user_ref = o.user_ref
            AND NOT EXISTS (
                SELECT 1 FROM users_user u JOIN import_person p ON p.user_ref = o.user_ref
                WHERE lower(u.username) = lower(o.given) AND u.id IS DISTINCT FROM p.user_id
            )
            AND NOT EXISTS (SELECT 1 FROM import_name m WHERE lower(m.given) = lower(o.given))
            AND NOT EXISTS (
                SELECT 1 FROM offer p
                WHERE lower(p.given) = lower(o.given) AND p.user_ref < o.user_ref
            )
        RETURNING n.user_ref
        """,
        [
            [ref for ref, _name in losers],
            [name for _ref, name in losers],
            [f"{name}~{ref}{suffix}" for ref, name in losers],
        ],
    )
    done = {ref for (ref,) in cursor.fetchall()}
    return [(ref, name) for ref, name in losers if ref not in done]


def give_addresses() -> None:
    """Decide the email address of everybody who is new or whose address changed at the source. An
    address is one person's: the lowest legacy id's, unless somebody here has it already. The others
    get none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TEMPORARY TABLE import_email AS
            WITH wanted AS (
                SELECT p.user_ref, p.user_id, p.email,
                    row_number() OVER (PARTITION BY lower(p.email) ORDER BY p.user_ref) AS place
                FROM import_person p
                WHERE p.user_id IS NULL OR p.base ->> 'email' IS DISTINCT FROM p.facts ->> 'email'
            )
            SELECT w.user_ref, w.email AS name, taken.source AS taken_by,
                CASE WHEN w.place = 1 AND taken.source IS NULL THEN w.email END AS given
            FROM wanted w
            LEFT JOIN LATERAL (
                SELECT u.legacy_source AS source FROM users_user u
                WHERE lower(u.email) = lower(w.email) AND u.id IS DISTINCT FROM w.user_id
            ) taken ON true
            """
        )
        _flag_given(
            cursor,
            "import_email",
            "email_dropped",
            "email_taken",
            "n.name IS NOT NULL AND n.given IS NULL",
        )


def _flag_given(cursor: Any, table: str, lost: str, taken: str, condition: str) -> None:
    cursor.execute(
        f"""
        INSERT INTO import_flag
        SELECT n.user_ref, unnest(CASE WHEN n.taken_by = '' THEN ARRAY[%s, %s] ELSE ARRAY[%s] END)
        FROM {table} n WHERE {condition}
        """,  # noqa: S608 (our own table and condition)
        [lost, taken, lost],
    )
    cursor.execute(f"CREATE INDEX ON {table} (user_ref)")
    cursor.execute(f"ANALYZE {table} (user_ref)")


def find_changes(source: str, *, grant: bool) -> dict[str, int]:
    """Complete each person's facts with their flags, and mark who is new or differs from the last
    import; with ``grant`` also admins who are to get a role now. Returns how many of the imported
    rows are new, by table."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH taken AS (
                UPDATE import_person p SET key_taken = true
                FROM users_apikey k
                WHERE p.facts ? 'key' AND k.digest = decode(p.facts ->> 'key', 'hex')
                    AND k.user_id IS DISTINCT FROM p.user_id
                RETURNING p.user_ref
            )
            INSERT INTO import_flag SELECT user_ref, 'key_taken' FROM taken
            """
        )
        cursor.execute(
            """
            INSERT INTO import_flag
            SELECT p.user_ref, flag
            FROM import_person p, jsonb_array_elements_text(p.base -> 'flags') AS flag
            WHERE (flag = ANY(%(named)s)
                    AND NOT EXISTS (SELECT 1 FROM import_name n WHERE n.user_ref = p.user_ref))
                OR (flag = ANY(%(addressed)s)
                    AND NOT EXISTS (SELECT 1 FROM import_email e WHERE e.user_ref = p.user_ref))
            """,
            {"named": _GIVEN_FLAGS[:2], "addressed": _GIVEN_FLAGS[2:]},
        )
        cursor.execute(_COMPARED_ROWS, [source])
        cursor.execute(_COMPARED_PEOPLE, [grant])
        # So that each chunk finds its people, however few or many differ.
        cursor.execute("CREATE INDEX ON import_person (user_ref) WHERE changed OR different")
        cursor.execute("ANALYZE import_person (user_ref, changed, different)")
        cursor.execute(
            "SELECT table_name, count(*) FROM import_stale WHERE fresh GROUP BY table_name"
        )
        return dict(cursor.fetchall())


def given_flags() -> dict[str, int]:
    """How many people carry each flag that was given here."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT flag, count(DISTINCT user_ref) FROM import_flag
            WHERE flag = ANY(%s) GROUP BY flag
            """,
            [[*_GIVEN_FLAGS, "key_taken"]],
        )
        return dict(cursor.fetchall())


def to_do() -> dict[str, int]:
    """How many people are new, changed and unchanged."""
    row = _one(
        """
        SELECT count(*) FILTER (WHERE user_id IS NULL),
            count(*) FILTER (WHERE user_id IS NOT NULL AND different),
            count(*) FILTER (WHERE user_id IS NOT NULL AND NOT different)
        FROM import_person
        """
    )
    assert row is not None
    return dict(zip(("new", "changed", "unchanged"), row, strict=True))


def to_write() -> int:
    """How many people have something to write: their facts, or only how the source spells a row of
    theirs."""
    row = _one("SELECT count(*) FROM import_person WHERE changed OR different")
    assert row is not None
    return int(row[0])


def new_passwords() -> int:
    """How many people would get a usable password."""
    row = _one("SELECT count(*) FROM import_person WHERE user_id IS NULL AND password IS NOT NULL")
    assert row is not None
    return int(row[0])


def _one(statement: str, values: list[Any] | None = None) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or [])
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row
