"""bin/bench NAME [--users N] [--json]: measure something on servers of its own.

NAME is a module of this folder (``export-csv`` is bench/export_csv.py) with

* ``run(options) -> list[Case]``: measure, and say what was found (``bench.report.case``);
* optionally ``DATABASE``: "seeded" (the default: ``options.users`` users made by bench/seed.py,
  kept for the next run on these servers), "copy" (a copy of that, for what writes), "empty"
  (migrated, nobody in it) or "fresh" (empty, to be seeded by the module);
* optionally ``arguments(parser)``: options of its own.

Django is set up on that database before the module is imported. The last line of ``--json`` is a
list of cases as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import django

from bench import databases, report

_FOLDER = Path(__file__).resolve().parent
_RUNS = re.compile(r"^def run\(", re.MULTILINE)
_DATABASE = re.compile(r'^DATABASE = "(seeded|copy|fresh|empty)"', re.MULTILINE)


def main(words: Sequence[str]) -> int:
    """Run the measurement named in ``words``: 0 once it was measured, limits held or not."""
    names = _names()
    parser = argparse.ArgumentParser(
        "bin/bench",
        description="Measure on throw-away servers, beside a peer in the same run.",
        epilog=f"Names: {', '.join(names)}. --here uses the servers of this checkout instead.",
    )
    parser.add_argument("name", metavar="NAME", choices=names, help="what to measure")
    parser.add_argument("--users", type=_count, default=100_000, metavar="N", help="(%(default)s)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options, others = parser.parse_known_args(words)
    file = _FOLDER / f"{options.name.replace('-', '_')}.py"
    _prepare(_wanted_database(file), options.users)
    module = importlib.import_module(f"bench.{file.stem}")
    options = _with_its_own(module, parser, words, others)
    # What a measurement prints on its way must not mix with the JSON.
    with contextlib.redirect_stdout(sys.stderr):
        cases = module.run(options)
    print(report.table(cases))
    if options.json:
        print(report.as_json(cases))
    return 0


def _names() -> list[str]:
    return sorted(
        file.stem.replace("_", "-")
        for file in _FOLDER.glob("[a-z]*.py")
        if _RUNS.search(file.read_text())
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _wanted_database(file: Path) -> str:
    """Read as text: Django's settings need the database before the module can be imported."""
    found = _DATABASE.search(file.read_text())
    return found[1] if found else "seeded"


def _prepare(kind: str, users: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coai_admin.settings")
    name = seeded = f"coai_bench_{users}"
    if kind in ("seeded", "copy"):
        databases.seed(seeded, users)
    if kind == "copy":
        name = "coai_bench_copy"
        databases.copy(seeded, name)
    elif kind != "seeded":
        name = seeded if kind == "fresh" else "coai_bench_empty"
        databases.make(name)
    databases.use(name)
    django.setup()


def _with_its_own(
    module: ModuleType, parser: argparse.ArgumentParser, words: Sequence[str], others: Sequence[str]
) -> Any:
    add = getattr(module, "arguments", None)
    if add is not None:
        add(parser)
    elif others:
        parser.error(f"unknown: {' '.join(others)}")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
