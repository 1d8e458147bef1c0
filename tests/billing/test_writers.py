"""Credits have few writers, and they are named here."""

import ast
import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
APPS = ("audit", "billing", "subscriptions", "users", "coai_admin")
# Which statements, and the only modules that may hold them.
WRITERS = {
    r"(INSERT INTO|COPY) billing_transfer\b(?!_)": {"billing/ledger.py", "billing/loading.py"},
    r"UPDATE billing_account\b": {"billing/services.py"},
    r"INSERT INTO billing_account\b": {"billing/services.py"},
    r"INSERT INTO billing_statistics\b(?!_)": {"billing/services.py", "billing/statistics.py"},
    r"(INSERT INTO|UPDATE) billing_reversal_cap\b": set(),
    r"(DELETE FROM|TRUNCATE|UPDATE|ALTER TABLE) billing_transfer\b": set(),
    r"DISABLE TRIGGER": set(),
}
# Writing methods of the ORM.
WRITES = {"create", "bulk_create", "update", "bulk_update", "get_or_create", "update_or_create"}
GUARDED = {"Account", "Transfer", "ReversalCap", "Statistics", "TransferCode"}


def modules():
    for app in APPS:
        for path in sorted((CHECKOUT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(CHECKOUT).as_posix(), path.read_text()


def test_statements_that_write_the_ledger_stand_in_their_modules_only():
    for pattern, allowed in WRITERS.items():
        found = {name for name, text in modules() if re.search(pattern, text)}
        assert found == allowed, pattern


def _manager_of(node):
    """``Account`` of ``Account.objects.filter(…).update(…)``."""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr == "objects":
            return node.value.id if isinstance(node.value, ast.Name) else None
        node = node.func if isinstance(node, ast.Call) else node.value
    return None


def test_nothing_writes_the_ledger_through_the_orm():
    found = [
        f"{name}:{node.lineno}"
        for name, text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
        and _manager_of(node.func) in GUARDED
    ]
    assert found == []
