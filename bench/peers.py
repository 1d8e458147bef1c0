"""One SQL statement for each act, with the same writes as the operation: what nobody could do
faster and still leave as much behind."""

from __future__ import annotations

_ACT = """
WITH act AS (
    INSERT INTO audit_act (id, code, actor_name, params, reason, ticket, request_id, created_at,
                           changed, unchanged, refused)
    VALUES (%(act)s, '{code}', 'system', '{{}}', %(reason)s, '', '', %(now)s, %(count)s, 0, 0)
), """
_RECORD = """
receipts AS (
    INSERT INTO audit_receipt (act_id, target_id, outcome, refusal, undo)
    SELECT %(act)s, user_id, 1, '', undo FROM done
), entries AS (
    INSERT INTO audit_entry (created_at, act_id, action, target_type, target_id, changes, reason)
    SELECT %(now)s, %(act)s, '{code}', 'user', user_id, changes, %(reason)s FROM done
    RETURNING id, target_id
)
INSERT INTO audit_personal (entry_id, created_at, actor_name, target_name)
SELECT entries.id, %(now)s, 'system', username FROM entries JOIN done ON user_id = target_id
"""

_HOLDING = """
holding AS MATERIALIZED (
    SELECT a.id, a.user_id, u.username, a.balance
      FROM billing_account a JOIN users_user u ON u.id = a.user_id
     WHERE a.user_id = ANY(%(ids)s) ORDER BY a.id FOR NO KEY UPDATE OF a
), """
# As the ledger has it: inserting a transfer moves its account, by a trigger for each row.
_LEDGER = """posted AS (
    INSERT INTO billing_transfer (created_at, effective_at, account_id, code, delta, reason,
                                  group_id)
    SELECT %(now)s, %(now)s, id, 400, 12.5, %(reason)s, %(act)s FROM holding
    RETURNING id, account_id, balance_after
), """
# As it would be without that protection.
_UNPROTECTED = """moved AS (
    UPDATE billing_account a
       SET balance = a.balance + 12.5, credited_total = credited_total + 12.5,
           version = version + 1, updated_at = %(now)s
      FROM holding WHERE a.id = holding.id
    RETURNING a.id, a.balance, a.version
), posted AS (
    INSERT INTO billing_transfer (created_at, effective_at, account_id, account_version,
                                  code, delta, balance_after, reason, group_id)
    SELECT %(now)s, %(now)s, id, version, 400, 12.5, balance, %(reason)s, %(act)s
      FROM moved
    RETURNING id, account_id, balance_after
), """
_POSTED = """done AS (
    SELECT user_id, username, jsonb_build_object('transfer', posted.id, 'at', %(now)s) AS undo,
           jsonb_build_object('credits', jsonb_build_array(balance, balance_after)) AS changes
      FROM posted JOIN holding ON holding.id = account_id
), """

_SUSPENDED = """
people AS MATERIALIZED (
    SELECT u.id AS user_id, u.username,
           (SELECT count(*) FROM users_session s WHERE s.user_id = u.id) AS sessions,
           (SELECT count(*) FROM users_apikey k
             WHERE k.user_id = u.id AND k.revoked_at IS NULL) AS api_keys
      FROM users_user u WHERE u.id = ANY(%(ids)s) ORDER BY u.id FOR NO KEY UPDATE OF u
), imposed AS (
    INSERT INTO users_restriction (user_id, kind, reason_id, public_text, internal_note, evidence,
                                   starts_at, act_id, lifted_reason, ends_at)
    SELECT user_id, 'suspension', 'spam', '', '', '[]', %(now)s, %(act)s, '', %(ends_at)s
      FROM people
    RETURNING id, user_id
), ended AS (
    DELETE FROM users_session WHERE user_id = ANY(%(ids)s)
), revoked AS (
    UPDATE users_apikey SET revoked_at = %(now)s, revoked_by_act = %(act)s
     WHERE user_id = ANY(%(ids)s) AND revoked_at IS NULL
), done AS (
    SELECT user_id, username, jsonb_build_object('restrictions', jsonb_build_array(imposed.id))
               AS undo,
           jsonb_build_object('suspension', jsonb_build_array(NULL, 'spam'),
                              'sessions', jsonb_build_array(sessions, 0),
                              'api_keys', jsonb_build_array(api_keys, 0)) AS changes
      FROM imposed JOIN people USING (user_id)
), """

_TAGGED = """
people AS MATERIALIZED (
    SELECT u.id AS user_id, u.username,
           (SELECT string_agg(t.name, ', ' ORDER BY lower(t.name)) FROM users_tagging g
              JOIN users_tag t ON t.id = g.tag_id WHERE g.user_id = u.id) AS names
      FROM users_user u WHERE u.id = ANY(%(ids)s) ORDER BY u.id FOR NO KEY UPDATE OF u
), tag AS (
    INSERT INTO users_tag (name, created_at) VALUES (%(tag)s, %(now)s) RETURNING id
), put AS (
    INSERT INTO users_tagging (tag_id, user_id, created_at)
    SELECT tag.id, user_id, %(now)s FROM people, tag
    RETURNING user_id, tag_id
), done AS (
    SELECT user_id, username,
           jsonb_build_object('on', jsonb_build_array(tag_id), 'off', '[]'::jsonb) AS undo,
           jsonb_build_object('tags', jsonb_build_array(names, concat_ws(', ', names, %(tag)s)))
               AS changes
      FROM put JOIN people USING (user_id)
), """


def _statement(code: str, *parts: str) -> str:
    return _ACT.format(code=code) + "".join(parts) + _RECORD.format(code=code)


CREDITS = _statement("billing.adjust_credits", _HOLDING, _LEDGER, _POSTED)
UNPROTECTED_CREDITS = _statement("billing.adjust_credits", _HOLDING, _UNPROTECTED, _POSTED)
SUSPEND = _statement("users.suspend", _SUSPENDED)
TAG = _statement("users.tag", _TAGGED)
