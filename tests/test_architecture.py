"""Rules of the house that no import contract can see: one writer per protected table and column,
no HTTP in the domain, nothing sent out of a transaction except through the outbox."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APPS = ("audit", "billing", "subscriptions", "users", "coai_admin")

# Who may write a table in SQL of their own. Loading in bulk (import, demonstration) has modules of
# its own.
TABLE_WRITERS = {
    "audit_entry": {"audit.record"},
    "audit_personal": {"audit.record"},
    "audit_receipt": {"audit.record"},
    "audit_selection": {"audit.selection"},
    "billing_transfer": {"billing.ledger", "billing.loading"},
    "billing_idempotency": {"billing.ledger", "billing.idempotency"},
    "billing_account": {"billing.services", "billing.loading"},
    "billing_statistics": {"billing.services", "billing.statistics", "billing.loading"},
    "billing_statistics_mark": {"billing.statistics"},
    "billing_reversal_cap": set(),
    "users_restriction": {"users.restrictions.restricting"},
    "users_user": {
        "users.profile.naming",
        "users.profile.closing",
        "users.imports.loading",
        "users.imports.passwords",
        "users.demo.loading",
        "users.uploads.writing",
    },
    "users_uploadrow": {"users.uploads.staging"},
    "users_upload": {"users.uploads.working"},
    "users_tagging": {"users.profile.tagging"},
    "subscriptions_subscription": {
        "subscriptions.lives",
        "subscriptions.loading",
        "subscriptions.importing",
    },
    "subscriptions_period": {
        "subscriptions.lives",
        "subscriptions.loading",
        "subscriptions.importing",
    },
    "subscriptions_standing": {
        "subscriptions.lives",
        "subscriptions.services",
        "subscriptions.loading",
        "subscriptions.importing",
    },
}
# Who may write a model's rows or a protected column through the ORM.
MODEL_WRITERS = {
    "Restriction": {"users.restrictions.restricting", "users.demo.desk"},
    "Transfer": set(),
    "Account": set(),
    "AuditEntry": set(),
    "AuditPersonal": set(),
    "Receipt": set(),
    "Run": {"audit.runs.steering"},
    "Approval": {"audit.runs.approving"},
    "RunChunk": {"audit.runs.targets"},
    "Act": {"audit.record", "users.imports.runs"},  # an import is one act, which grows
    "Standing": set(),
    "Subscription": set(),
    "Period": set(),
    "Event": {"subscriptions.lifecycle"},
    "Setting": {"users.configuring"},
    "OutboxMessage": {"audit.outbox"},
    "PasswordLink": {"users.password_links"},
    "SecondFactorReset": {"users.factor_resets"},
    "Invitation": {"users.invitations.inviting"},
    "EmailChange": {"users.email.changes", "users.email.changing"},
    "Tag": {"users.profile.tagging"},
    "Tagging": set(),
    "Note": {"users.profile.notes"},
    "Upload": {"users.uploads.working"},
    "UploadPart": {"users.uploads.receiving", "users.uploads.working"},
    "UploadRow": {"users.uploads.steps", "users.uploads.working"},
    "ServiceKey": {"subscriptions.service_keys"},
    "ExportFile": {"audit.export_files"},
    "ExportSchedule": {"users.exporting.schedules"},
}
COLUMN_WRITERS = {
    "role": {"users.staff.staffing"},
    "password": {"users.passwords.checking"},
    "lifted_at": {"users.restrictions.restricting"},
    "revoked_at": {
        "users.restrictions.restricting",
        "users.password_links",
        "users.invitations.inviting",
        "subscriptions.service_keys",
    },
    "balance": set(),
    "email": {"users.email.addresses"},
    "email_verified_at": {"users.email.addresses"},
    "email_state": {"users.email.addresses"},
    "closed_at": {"users.profile.closing"},
    "must_change_password": {"users.passwords.checking", "users.sessions.reauthentication"},
}
# Planning an import sets attributes of staged rows, which are no people yet.
STAGED = ("users.imports.", "users.demo.")
_SQL = re.compile(r'\b(?:UPDATE|INSERT INTO|COPY|DELETE FROM|TRUNCATE)\s+"?([a-z]+_[a-z_]+)', re.I)
_WRITES = {
    "create",
    "bulk_create",
    "update",
    "bulk_update",
    "delete",
    "get_or_create",
    "update_or_create",
}


def modules():
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name.removesuffix(".__init__"), ast.parse(path.read_text())


def root_name(node):
    """The name at the start of a chain: ``Restriction`` of ``Restriction.objects.filter(…)``."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""


def sql_writes(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _SQL.findall(node.value)


def model_writes(tree):
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _WRITES
        ):
            yield root_name(node.func.value)


def column_writes(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            flat = [
                part
                for target in targets
                for part in (target.elts if isinstance(target, ast.Tuple) else [target])
            ]
            for target in flat:
                if isinstance(target, ast.Attribute) and root_name(target) != "self":
                    yield target.attr
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"update", "create"}
            and root_name(node.func.value)[:1].isupper()
        ):
            yield from (keyword.arg for keyword in node.keywords)


@pytest.mark.parametrize(
    ("found_by", "allowed"),
    [(sql_writes, TABLE_WRITERS), (model_writes, MODEL_WRITERS), (column_writes, COLUMN_WRITERS)],
)
def test_protected_data_is_written_by_its_writers_only(found_by, allowed):
    strays = {
        (name, written)
        for name, tree in modules()
        for written in found_by(tree)
        if written in allowed
        and name not in allowed[written]
        and not (found_by is column_writes and name.startswith(STAGED))
    }
    assert strays == set()


@pytest.mark.parametrize(
    ("found_by", "source"),
    [
        (sql_writes, "cursor.execute('UPDATE billing_account SET balance = 1')"),
        (sql_writes, "cursor.copy('COPY audit_entry FROM STDIN')"),
        (model_writes, "Restriction.objects.filter(pk=1).update(x=1)"),
        (model_writes, "Standing.objects.create(user=user)"),
        (column_writes, "user.role = 'super_admin'"),
        (column_writes, "a, user.password = 1, '!'"),
        (column_writes, "User.objects.filter(pk=1).update(role='super_admin')"),
    ],
)
def test_a_stray_write_is_found(found_by, source):
    allowed = TABLE_WRITERS | MODEL_WRITERS | COLUMN_WRITERS
    assert set(found_by(ast.parse(source))) & set(allowed)


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# Services decide and write; requests, messages and tasks are other rooms' affairs.
_DOMAIN = re.compile(
    r"^(audit|billing|subscriptions|users)\.(\w*services|execution|record|\w*operations|"
    r"restrictions|naming|tagging|notes|closing|staffing|reauthentication|ledger|"
    r"adjustments|lifecycle|lives|statistics|reports|outbox|limits|loading|importing)$"
)


def test_domain_knows_no_http():
    strays = {
        (name, imported)
        for name, tree in modules()
        if _DOMAIN.match(name)
        for imported in _imports(tree)
        if imported.startswith(
            ("django.http", "django.contrib.messages", "rest_framework", "celery")
        )
    }
    assert strays == set()


def test_no_model_signals():
    strays = {
        (name, imported)
        for name, tree in modules()
        for imported in _imports(tree)
        if imported.startswith("django.db.models.signals")
    }
    assert strays == set()


def test_no_task_is_sent_from_inside_a_request_or_service():
    """Tasks come from the schedule; what must follow a commit goes through the outbox."""
    strays = {
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"delay", "apply_async", "send_task"}
    }
    assert strays == set()


def test_modules_and_functions_keep_to_their_length():
    long = []
    for name, tree in modules():
        lines = max((getattr(node, "end_lineno", 0) or 0 for node in ast.walk(tree)), default=0)
        if lines > 400:
            long.append((name, lines))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                length = (node.end_lineno - body[0].lineno + 1) if body else 0
                if length > 40:
                    long.append((f"{name}.{node.name}", length))
    assert long == []
