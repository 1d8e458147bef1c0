"""The audit trail: two tables partitioned by month, append-only by trigger."""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE audit_entry_id_seq AS bigint CACHE 50;
CREATE TABLE audit_entry (
    id bigint NOT NULL DEFAULT nextval('audit_entry_id_seq'),
    created_at timestamptz NOT NULL,
    act_id uuid,
    action text NOT NULL CHECK (action <> ''),
    actor_id bigint,
    acting_for_id bigint,
    target_type text NOT NULL,
    target_id bigint,
    changes jsonb NOT NULL DEFAULT '{}',
    reason text NOT NULL DEFAULT '',
    ticket text NOT NULL DEFAULT '',
    request_id text NOT NULL DEFAULT '',
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
ALTER SEQUENCE audit_entry_id_seq OWNED BY audit_entry.id;
CREATE TABLE audit_entry_default PARTITION OF audit_entry DEFAULT;
CREATE INDEX audit_entry_target ON audit_entry (target_type, target_id, created_at DESC, id DESC);
CREATE INDEX audit_entry_created ON audit_entry (created_at DESC, id DESC);
CREATE INDEX audit_entry_actor ON audit_entry (actor_id, created_at DESC, id DESC);
CREATE INDEX audit_entry_action ON audit_entry (action, created_at DESC, id DESC);
CREATE INDEX audit_entry_act ON audit_entry (act_id) WHERE act_id IS NOT NULL;

CREATE TABLE audit_personal (
    entry_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    actor_name text NOT NULL DEFAULT '',
    target_name text NOT NULL DEFAULT '',
    ip inet,
    changes jsonb,
    PRIMARY KEY (entry_id, created_at)
) PARTITION BY RANGE (created_at);
CREATE TABLE audit_personal_default PARTITION OF audit_personal DEFAULT;

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = '55000';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_entry_no_truncate BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""

BACKWARD = """
DROP TABLE audit_personal;
DROP TABLE audit_entry;
DROP FUNCTION audit_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
