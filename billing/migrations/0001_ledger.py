"""The ledger: accounts, the append-only journal of transfers that moves them, and its constraints."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

ACCOUNTS = """
-- A domain is checked only for the columns that a statement sets; a CHECK of the table for every posting.
CREATE DOMAIN billing_credits AS numeric(24,6) CHECK (VALUE >= 0);
CREATE DOMAIN billing_account_status AS smallint CHECK (VALUE BETWEEN 1 AND 3);
CREATE DOMAIN billing_key AS text CHECK (length(VALUE) BETWEEN 1 AND 200);

CREATE SEQUENCE billing_account_id_seq AS bigint START 1000 MINVALUE 1000;
CREATE TABLE billing_account (
    id bigint PRIMARY KEY DEFAULT nextval('billing_account_id_seq'),
    user_id bigint UNIQUE REFERENCES users_user ON DELETE RESTRICT,
    code text UNIQUE,
    status billing_account_status NOT NULL DEFAULT 1,
    balance numeric(24,6) NOT NULL DEFAULT 0,
    held billing_credits NOT NULL DEFAULT 0,
    credited_total billing_credits NOT NULL DEFAULT 0,
    debited_total billing_credits NOT NULL DEFAULT 0,
    used_total billing_credits NOT NULL DEFAULT 0,
    opening_used numeric(24,6) NOT NULL DEFAULT 0,
    overdraft_limit billing_credits NOT NULL DEFAULT 0,
    settle_slack billing_credits NOT NULL DEFAULT 1000,
    next_expiry_at timestamptz,
    version bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL,
    CONSTRAINT account_sum_and_floor CHECK (
        balance = credited_total - debited_total
        AND balance - held >= -(overdraft_limit + settle_slack))
) WITH (fillfactor = 70);
ALTER SEQUENCE billing_account_id_seq OWNED BY billing_account.id;

CREATE TABLE billing_transfer_code (
    code smallint PRIMARY KEY,
    name text NOT NULL UNIQUE,
    label text NOT NULL,
    direction smallint NOT NULL CHECK (direction IN (-1, 1)),
    contra_id bigint NOT NULL REFERENCES billing_account CHECK (contra_id < 1000),
    counts_as_used boolean NOT NULL,
    floor smallint NOT NULL CHECK (floor IN (0, 1, 2))
);
"""

CHART = """
INSERT INTO billing_account (id, code, updated_at) VALUES
    (1, 'usage_revenue', now()), (2, 'purchases', now()), (3, 'promotions', now()), (4, 'breakage', now()),
    (5, 'adjustments', now()), (6, 'subscriptions', now()), (7, 'writeoff', now()), (8, 'refunds', now()),
    (9, 'disputes', now()), (10, 'merge_clearing', now()), (11, 'import_opening', now());
-- floor: how far down a debit may take the balance. 0 zero, 1 the overdraft limit (spending), 2 also the slack
INSERT INTO billing_transfer_code (code, name, label, direction, contra_id, counts_as_used, floor) VALUES
    (100, 'purchase', 'Purchase', 1, 2, false, 0),
    (110, 'redeem', 'Redeemed code', 1, 2, false, 0),
    (120, 'promo', 'Promotion', 1, 3, false, 0),
    (130, 'plan_allowance', 'Plan allowance', 1, 6, false, 0),
    (140, 'referral', 'Referral', 1, 3, false, 0),
    (150, 'opening_balance', 'Opening balance', 1, 11, false, 0),
    (151, 'opening_debt', 'Opening debt', -1, 11, false, 2),
    (200, 'usage', 'Usage', -1, 1, true, 1),
    (210, 'subscription_purchase', 'Subscription', -1, 6, true, 1),
    (211, 'subscription_upgrade', 'Subscription upgrade', -1, 6, true, 1),
    (250, 'usage_reversal', 'Usage reversed', 1, 1, true, 0),
    (260, 'subscription_refund', 'Subscription refunded', 1, 6, true, 0),
    (300, 'purchase_refund', 'Purchase refunded', -1, 8, false, 0),
    (310, 'chargeback', 'Chargeback', -1, 9, false, 2),
    (311, 'chargeback_won', 'Chargeback won', 1, 9, false, 0),
    (400, 'adjust_up', 'Credits added', 1, 5, false, 0),
    (401, 'adjust_down', 'Credits taken', -1, 5, false, 0),
    (410, 'set_balance_up', 'Balance set, up', 1, 5, false, 0),
    (411, 'set_balance_down', 'Balance set, down', -1, 5, false, 0),
    (500, 'expire', 'Expired', -1, 4, false, 0),
    (510, 'void_grant', 'Grant voided', -1, 3, false, 0),
    (600, 'merge_out', 'Moved to another account', -1, 10, false, 0),
    (601, 'merge_in', 'Moved from another account', 1, 10, false, 0);
"""

JOURNAL = """
CREATE SEQUENCE billing_transfer_id_seq AS bigint;
-- xid stands before id: a transaction has its number before it draws an id, so whoever follows the
-- journal by id knows from the running transactions which ids are still to come (billing.statistics).
CREATE TABLE billing_transfer (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint NOT NULL DEFAULT nextval('billing_transfer_id_seq'),
    created_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    account_id bigint NOT NULL,
    account_version bigint NOT NULL,
    code smallint NOT NULL,
    ref_type smallint,
    delta numeric(24,6) NOT NULL,
    balance_after numeric(24,6) NOT NULL,
    ref_id bigint,
    reverses_id bigint,
    reverses_at timestamptz,
    actor_id bigint,
    group_id uuid,
    reason text NOT NULL DEFAULT '',
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
ALTER SEQUENCE billing_transfer_id_seq OWNED BY billing_transfer.id;
CREATE TABLE billing_transfer_default PARTITION OF billing_transfer DEFAULT;
CREATE UNIQUE INDEX billing_transfer_version ON billing_transfer (account_id, account_version, created_at);
CREATE INDEX billing_transfer_reverses ON billing_transfer (reverses_id) WHERE reverses_id IS NOT NULL;
CREATE INDEX billing_transfer_ref ON billing_transfer (ref_type, ref_id) WHERE ref_id IS NOT NULL;

CREATE TABLE billing_reversal_cap (
    transfer_id bigint PRIMARY KEY,
    original numeric(24,6) NOT NULL,
    reversed numeric(24,6) NOT NULL DEFAULT 0,
    CONSTRAINT reversal_capped CHECK (reversed >= 0 AND reversed <= original)
);
CREATE TABLE billing_idempotency (
    scope smallint NOT NULL,
    key billing_key NOT NULL,
    request_hash bytea NOT NULL,
    transfer_id bigint,
    response jsonb,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);

-- The one way credits move: inserting a transfer moves its account and gets version and balance from it.
-- A debit that the account refuses (floor of its code, frozen, closed) posts no row: whoever inserted it sees
-- none come back. Nonsense (unknown account or code, wrong sign) is an error.
-- What the codes mean stands here once more, as in billing_transfer_code: joining that table would cost each
-- debit a tenth of its speed. A test compares them.
CREATE FUNCTION billing_post_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE billing_account a
       SET balance = a.balance + NEW.delta,
           credited_total = a.credited_total + greatest(NEW.delta, 0),
           debited_total = a.debited_total - least(NEW.delta, 0),
           used_total = a.used_total
               - CASE WHEN NEW.code IN (200, 210, 211, 250, 260) THEN NEW.delta ELSE 0 END,
           version = a.version + 1,
           updated_at = NEW.created_at
     WHERE a.id = NEW.account_id AND a.id >= 1000 AND a.status <> 3 AND CASE
         WHEN NEW.delta > 0 THEN
             NEW.code IN (100, 110, 120, 130, 140, 150, 250, 260, 311, 400, 410, 601)
         WHEN NEW.code IN (200, 210, 211) THEN
             a.status = 1 AND a.balance - a.held + NEW.delta >= -a.overdraft_limit
         WHEN NEW.code IN (151, 310) THEN
             a.balance - a.held + NEW.delta >= -(a.overdraft_limit + a.settle_slack)
         WHEN NEW.code IN (300, 401, 411, 500, 510, 600) THEN a.balance - a.held + NEW.delta >= 0
         END AND NEW.delta <> 0
    RETURNING a.version, a.balance INTO NEW.account_version, NEW.balance_after;
    IF NOT FOUND THEN
        IF NOT EXISTS (SELECT FROM billing_account WHERE id = NEW.account_id AND id >= 1000) THEN
            RAISE EXCEPTION 'account % does not exist', NEW.account_id USING ERRCODE = 'foreign_key_violation';
        ELSIF NOT EXISTS (SELECT FROM billing_transfer_code
                           WHERE code = NEW.code AND direction = sign(NEW.delta)) THEN
            RAISE EXCEPTION 'no transfer code % moves %', NEW.code, NEW.delta USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END IF;
    IF NEW.reverses_id IS NOT NULL THEN
        INSERT INTO billing_reversal_cap AS cap (transfer_id, original, reversed)
        SELECT t.id, abs(t.delta), abs(NEW.delta) FROM billing_transfer t
         WHERE t.id = NEW.reverses_id AND t.created_at = NEW.reverses_at AND t.reverses_id IS NULL
           AND t.account_id = NEW.account_id AND sign(t.delta) = -sign(NEW.delta)
        ON CONFLICT (transfer_id) DO UPDATE SET reversed = cap.reversed + excluded.reversed;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'transfer % cannot be reversed by %', NEW.reverses_id, NEW.delta
                USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER billing_transfer_post BEFORE INSERT ON billing_transfer
    FOR EACH ROW EXECUTE FUNCTION billing_post_transfer();

CREATE TRIGGER billing_transfer_append_only BEFORE UPDATE OR DELETE ON billing_transfer
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER billing_transfer_no_truncate BEFORE TRUNCATE ON billing_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER billing_transfer_no_truncate BEFORE TRUNCATE ON billing_transfer_default
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();

CREATE FUNCTION billing_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'credits move only by transfers: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = '55000';
END $$;
-- AFTER, because a BEFORE trigger would lock the row once more at each posting.
CREATE TRIGGER billing_account_figures
    AFTER UPDATE OF id, balance, credited_total, debited_total, used_total, version ON billing_account
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION billing_refuse();
-- Not CHECKs, which would cost each posting as much as a lookup: these columns stay as they were opened.
CREATE TRIGGER billing_account_opens_empty AFTER INSERT ON billing_account
    FOR EACH ROW WHEN (NEW.version <> 0 OR NEW.credited_total <> 0 OR NEW.used_total <> 0 OR NEW.held <> 0)
    EXECUTE FUNCTION billing_refuse();
CREATE TRIGGER billing_account_kind AFTER INSERT OR UPDATE OF user_id, code, held ON billing_account
    FOR EACH ROW WHEN ((NEW.id >= 1000) <> (NEW.user_id IS NOT NULL) OR (NEW.id < 1000) <> (NEW.code IS NOT NULL)
        OR NEW.id < 1000 AND NEW.held <> 0)
    EXECUTE FUNCTION billing_refuse();
CREATE TRIGGER billing_account_stays BEFORE DELETE ON billing_account
    FOR EACH ROW WHEN (OLD.version > 0 OR OLD.id < 1000) EXECUTE FUNCTION billing_refuse();
CREATE TRIGGER billing_account_no_truncate BEFORE TRUNCATE ON billing_account
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse();
"""

STATISTICS = """
CREATE TABLE billing_statistics (
    user_id bigint PRIMARY KEY REFERENCES users_user ON DELETE CASCADE,
    balance numeric(24,6) NOT NULL DEFAULT 0,
    used numeric(24,6) NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 0
);
CREATE INDEX statistics_balance ON billing_statistics (balance, user_id);
CREATE INDEX statistics_used ON billing_statistics (used, user_id);

-- How far the journal was read: every transfer up to read_to was copied. next_to joins it once all
-- transactions that ran when it was noted (below next_xid) have ended.
CREATE TABLE billing_statistics_mark (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    read_to bigint NOT NULL DEFAULT 0,
    next_to bigint NOT NULL DEFAULT 0,
    next_xid xid8 NOT NULL DEFAULT '0',
    copied_at timestamptz
);
INSERT INTO billing_statistics_mark DEFAULT VALUES;
"""

BACKWARD = """
DROP TABLE billing_statistics_mark, billing_statistics, billing_idempotency, billing_reversal_cap;
DROP TABLE billing_transfer, billing_transfer_code, billing_account;
DROP FUNCTION billing_post_transfer(), billing_refuse();
DROP DOMAIN billing_credits, billing_account_status, billing_key;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("audit", "0002_partitioned_entries"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(ACCOUNTS + CHART + JOURNAL + STATISTICS, BACKWARD),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="Transfer",
                    fields=[
                        ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("created_at", models.DateTimeField()),
                        ("effective_at", models.DateTimeField()),
                        ("delta", models.DecimalField(decimal_places=6, max_digits=24)),
                        ("account_version", models.BigIntegerField()),
                        ("balance_after", models.DecimalField(decimal_places=6, max_digits=24)),
                        ("group_id", models.UUIDField(null=True)),
                        ("reverses_id", models.BigIntegerField(null=True)),
                        ("reverses_at", models.DateTimeField(null=True)),
                        ("ref_type", models.SmallIntegerField(null=True)),
                        ("ref_id", models.BigIntegerField(null=True)),
                        ("actor_id", models.BigIntegerField(null=True)),
                        ("reason", models.TextField()),
                    ],
                    options={
                        "db_table": "billing_transfer",
                        "managed": False,
                    },
                ),
                migrations.CreateModel(
                    name="Idempotency",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "scope",
                                "key",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        (
                            "scope",
                            models.SmallIntegerField(
                                choices=[(1, "posting"), (2, "debit"), (3, "request")]
                            ),
                        ),
                        ("key", models.TextField()),
                        ("request_hash", models.BinaryField()),
                        ("transfer_id", models.BigIntegerField(null=True)),
                        ("response", models.JSONField(null=True)),
                        ("created_at", models.DateTimeField()),
                    ],
                    options={
                        "db_table": "billing_idempotency",
                    },
                ),
                migrations.CreateModel(
                    name="ReversalCap",
                    fields=[
                        ("transfer_id", models.BigIntegerField(primary_key=True, serialize=False)),
                        ("original", models.DecimalField(decimal_places=6, max_digits=24)),
                        (
                            "reversed",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                    ],
                    options={
                        "db_table": "billing_reversal_cap",
                    },
                ),
                migrations.CreateModel(
                    name="Account",
                    fields=[
                        (
                            "id",
                            models.BigAutoField(
                                auto_created=True,
                                primary_key=True,
                                serialize=False,
                                verbose_name="ID",
                            ),
                        ),
                        ("code", models.TextField(null=True, unique=True)),
                        (
                            "status",
                            models.SmallIntegerField(
                                choices=[(1, "active"), (2, "frozen"), (3, "closed")], db_default=1
                            ),
                        ),
                        (
                            "balance",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "held",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "credited_total",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "debited_total",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "used_total",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "opening_used",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "overdraft_limit",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "settle_slack",
                            models.DecimalField(db_default=1000, decimal_places=6, max_digits=24),
                        ),
                        ("next_expiry_at", models.DateTimeField(null=True)),
                        ("version", models.BigIntegerField(db_default=0)),
                        ("updated_at", models.DateTimeField()),
                        (
                            "user",
                            models.OneToOneField(
                                null=True,
                                on_delete=django.db.models.deletion.RESTRICT,
                                related_name="account",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "billing_account",
                    },
                ),
                migrations.CreateModel(
                    name="Statistics",
                    fields=[
                        (
                            "user",
                            models.OneToOneField(
                                on_delete=django.db.models.deletion.CASCADE,
                                primary_key=True,
                                related_name="statistics",
                                serialize=False,
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                        (
                            "balance",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        (
                            "used",
                            models.DecimalField(db_default=0, decimal_places=6, max_digits=24),
                        ),
                        ("version", models.BigIntegerField(db_default=0)),
                    ],
                    options={
                        "db_table": "billing_statistics",
                        "indexes": [
                            models.Index(fields=["balance", "user"], name="statistics_balance"),
                            models.Index(fields=["used", "user"], name="statistics_used"),
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="TransferCode",
                    fields=[
                        ("code", models.SmallIntegerField(primary_key=True, serialize=False)),
                        ("name", models.TextField(unique=True)),
                        ("label", models.TextField()),
                        ("direction", models.SmallIntegerField()),
                        ("counts_as_used", models.BooleanField()),
                        (
                            "floor",
                            models.SmallIntegerField(
                                choices=[
                                    (0, "not below zero"),
                                    (1, "within the overdraft limit, while the account is active"),
                                    (2, "within overdraft limit and settlement slack"),
                                ]
                            ),
                        ),
                        (
                            "contra",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.PROTECT,
                                related_name="+",
                                to="billing.account",
                            ),
                        ),
                    ],
                    options={
                        "db_table": "billing_transfer_code",
                    },
                ),
            ],
        ),
    ]
