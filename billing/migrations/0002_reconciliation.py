"""What must agree in the ledger, as a view in which every row is a defect."""

from django.db import migrations

FORWARD = """
CREATE VIEW billing_reconciliation AS
WITH journal AS (
    SELECT t.account_id, count(*) AS transfers, max(t.account_version) AS last_version,
           sum(t.delta) AS balance, sum(greatest(t.delta, 0)) AS credited,
           sum(greatest(-t.delta, 0)) AS debited,
           sum(CASE WHEN c.counts_as_used THEN -t.delta ELSE 0 END) AS used
      FROM billing_transfer t LEFT JOIN billing_transfer_code c ON c.code = t.code
     GROUP BY t.account_id
), account AS (
    SELECT a.*, coalesce(j.transfers, 0) AS transfers, coalesce(j.last_version, 0) AS last_version,
           coalesce(j.balance, 0) AS sum_balance, coalesce(j.credited, 0) AS sum_credited,
           coalesce(j.debited, 0) AS sum_debited, coalesce(j.used, 0) AS sum_used
      FROM billing_account a LEFT JOIN journal j ON j.account_id = a.id
), reversal AS (
    SELECT r.id, r.reverses_id, r.delta, t.id AS original_id, t.delta AS original,
           t.id IS NOT NULL AND t.account_id = r.account_id AND t.reverses_id IS NULL
               AND sign(t.delta) = -sign(r.delta) AS fits
      FROM billing_transfer r
      LEFT JOIN billing_transfer t ON t.id = r.reverses_id AND t.created_at = r.reverses_at
     WHERE r.reverses_id IS NOT NULL
)
SELECT 'balance' AS rule, 'account' AS subject, id AS subject_id,
       sum_balance::text AS expected, balance::text AS found
  FROM account WHERE balance <> sum_balance
UNION ALL
SELECT 'credited_total', 'account', id, sum_credited::text, credited_total::text
  FROM account WHERE credited_total <> sum_credited
UNION ALL
SELECT 'debited_total', 'account', id, sum_debited::text, debited_total::text
  FROM account WHERE debited_total <> sum_debited
UNION ALL
SELECT 'used_total', 'account', id, sum_used::text, used_total::text
  FROM account WHERE used_total <> sum_used
UNION ALL
SELECT 'version', 'account', id, transfers || ' transfers up to ' || last_version, version::text
  FROM account WHERE version <> transfers OR version <> last_version
UNION ALL
-- Nothing holds credits yet.
SELECT 'held', 'account', id, '0', held::text FROM account WHERE held <> 0
UNION ALL
SELECT 'floor', 'account', id, 'at least ' || -(overdraft_limit + settle_slack), (balance - held)::text
  FROM account WHERE balance - held < -(overdraft_limit + settle_slack)
UNION ALL
SELECT 'kind', 'account', id, 'a user from id 1000 on, a code below', coalesce(code, 'user ' || user_id, 'neither')
  FROM account WHERE (id >= 1000) <> (user_id IS NOT NULL) OR (id < 1000) <> (code IS NOT NULL)
UNION ALL
SELECT 'account', 'user', u.id, 'a credit account', 'none'
  FROM users_user u WHERE NOT EXISTS (SELECT FROM billing_account a WHERE a.user_id = u.id)
UNION ALL
-- Who lacks it would vanish from lists that are sorted by tier.
SELECT 'standing', 'user', u.id, 'a standing', 'none'
  FROM users_user u WHERE NOT EXISTS (SELECT FROM subscriptions_standing s WHERE s.user_id = u.id)
UNION ALL
SELECT 'chain', 'transfer', id, previous::text, before::text
  FROM (SELECT id, balance_after - delta AS before, lag(balance_after, 1, 0) OVER (
               PARTITION BY account_id ORDER BY account_version, id) AS previous
          FROM billing_transfer) chained
 WHERE before <> previous
UNION ALL
SELECT 'orphan', 'transfer', t.id, 'account ' || t.account_id, 'none'
  FROM billing_transfer t
 WHERE t.account_id < 1000 OR NOT EXISTS (SELECT FROM billing_account a WHERE a.id = t.account_id)
UNION ALL
SELECT 'code', 'transfer', t.id,
       coalesce('direction ' || c.direction, 'a known code'), 'code ' || t.code || ', ' || t.delta
  FROM billing_transfer t LEFT JOIN billing_transfer_code c ON c.code = t.code
 WHERE c.code IS NULL OR sign(t.delta) <> c.direction
UNION ALL
SELECT 'reversal', 'transfer', id, 'a transfer of the account in the other direction',
       coalesce(original::text, 'none')
  FROM reversal WHERE NOT fits
UNION ALL
SELECT 'reversal_cap', 'transfer', coalesce(cap.transfer_id, sums.original_id),
       coalesce(sums.reversed, 0) || ' of ' || coalesce(abs(sums.original)::text, 'nothing'),
       coalesce(cap.reversed || ' of ' || cap.original, 'no cap')
  FROM billing_reversal_cap cap
  FULL JOIN (SELECT original_id, original, sum(abs(delta)) AS reversed FROM reversal WHERE fits
              GROUP BY original_id, original) sums ON sums.original_id = cap.transfer_id
 WHERE cap.reversed IS DISTINCT FROM sums.reversed OR cap.original IS DISTINCT FROM abs(sums.original)
    OR cap.reversed > cap.original
UNION ALL
SELECT 'idempotency', 'transfer', kept.transfer_id, 'the transfer of key ' || kept.key, 'none'
  FROM billing_idempotency kept
  LEFT JOIN billing_transfer t ON t.id = kept.transfer_id AND t.created_at = kept.created_at
 WHERE kept.transfer_id IS NOT NULL AND t.id IS NULL
UNION ALL
-- A copy may be some seconds old; it is never ahead, and what it says of a version is true.
SELECT 'statistics', 'user', a.user_id,
       a.balance || ', ' || a.opening_used + a.used_total || ' used, version ' || a.version,
       coalesce(s.balance || ', ' || s.used || ' used, version ' || s.version, 'none')
  FROM account a LEFT JOIN billing_statistics s ON s.user_id = a.user_id
 WHERE a.user_id IS NOT NULL AND (s.user_id IS NULL OR s.version > a.version OR (s.version = a.version
       AND (s.balance <> a.balance OR s.used <> a.opening_used + a.used_total)))
UNION ALL
SELECT 'guard', 'table ' || guarded.relation::regclass, NULL, guarded.trigger || ' enabled',
       CASE WHEN t.oid IS NULL THEN 'missing' ELSE 'disabled' END
  FROM (SELECT 'billing_account'::regclass::oid AS relation, unnest(ARRAY['billing_account_figures',
               'billing_account_opens_empty', 'billing_account_kind', 'billing_account_stays',
               'billing_account_no_truncate']) AS trigger
        UNION ALL
        SELECT journal.relid::oid, unnest(ARRAY['billing_transfer_post', 'billing_transfer_append_only',
               'billing_transfer_no_truncate'])
          FROM pg_partition_tree('billing_transfer') journal) guarded
  LEFT JOIN pg_trigger t ON t.tgrelid = guarded.relation AND t.tgname = guarded.trigger
 WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_ledger"),
        ("subscriptions", "0001_initial"),
        ("users", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FORWARD, "DROP VIEW billing_reconciliation")]
