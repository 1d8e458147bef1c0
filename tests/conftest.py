"""What all tests share: an empty cache, the browser, and the rule for what this machine lacks."""

import os
import shutil
import time
import zlib
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from tests import storms

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = "tests/browser/test_pages.py"
NEEDS = {
    "browser": (lambda: Path(CHROMIUM).exists(), "apt-get install chromium"),
    "mariadb": (
        lambda: shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin"),
        "apt-get install mariadb-server",
    ),
    "libreoffice": (lambda: shutil.which("soffice"), "apt-get install libreoffice-calc-nogui"),
}


def pytest_runtest_setup(item):
    """A test whose program is missing is skipped, and says the remedy; in CI it fails. A storm that
    has no time left is skipped."""
    for marker, (there, remedy) in NEEDS.items():
        if item.get_closest_marker(marker) and not there():
            outcome = pytest.fail if os.environ.get("COAI_CI") else pytest.skip
            outcome(f"No {marker} on this machine: {remedy}")
    if item.get_closest_marker("storm") and storms.over():
        pytest.skip("Not in this share of the storms: COAI_STORM_SECONDS are over")


def pytest_collection_modifyitems(items):
    """What takes longest begins first, so that no worker is left alone with it at the end."""
    slow = ("browser", "system", "mariadb", "libreoffice")
    if not storms.WHOLE:
        items[:] = storms.shuffled(items)
    items.sort(
        key=lambda item: (
            not item.nodeid.startswith(PAGES),
            not any(item.get_closest_marker(each) for each in slow),
        )
    )


class Halves(LoadFileScheduling):
    """A file stays with one worker, but the pages of the console are shared by two: they would keep
    one busy when all others are done."""

    def _split_scope(self, nodeid):
        half = zlib.crc32(nodeid.encode()) % 2 if nodeid.startswith(PAGES) else ""
        return f"{super()._split_scope(nodeid)}{half}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return Halves(config, log)


@pytest.fixture(scope="session")
def browser_type_launch_args():
    """Debian's Chromium; its sandbox needs what containers and root do not have."""
    return {
        "executable_path": CHROMIUM,
        "headless": True,
        "chromium_sandbox": False,
        "args": CHROMIUM_ARGUMENTS,
    }


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_once():
    """Each test client makes the middleware anew; the static files in it stay those of the first.
    Looking for them again took four tenths of the time of such tests."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    find, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def find_once(middleware):
        if not found:
            others, middleware.files = middleware.files, {}
            find(middleware)
            found.update(middleware.files)
            middleware.files = others
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", find_once)
        yield


@pytest.fixture(autouse=True)
def _settings_as_installed(request):
    """What one test saved does not reach the next, and reading it costs no statement in between."""
    if not request.node.get_closest_marker("system"):
        from users import approvals, console_settings

        for shelf in (console_settings.shelf, approvals.shelf):
            shelf.known, shelf.fresh_until = {}, time.monotonic() + 600


@pytest.fixture(autouse=True)
def _empty_cache(request):
    """Throttles and cached figures of one test do not reach the next."""
    if not request.node.get_closest_marker("system"):
        from django.core.cache import cache

        cache.clear()


@pytest.fixture(autouse=True)
def _forced_logins_are_stepped_up(request, monkeypatch):
    """See ``tests.clients``."""
    if not request.node.get_closest_marker("system"):
        from django.test import Client

        from tests.clients import stepped_up

        monkeypatch.setattr(Client, "force_login", stepped_up(Client.force_login))


@pytest.fixture(autouse=True)
def _playwright_may_wait(request, monkeypatch):
    """Playwright keeps an event loop in the test's thread; Django takes that for async code."""
    if request.node.get_closest_marker("browser"):
        monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Tests that commit are cleaned up after by ``tests.database``; Django's flush knows neither
    append-only tables nor rows that migrations made."""
    from django.test import TransactionTestCase

    from tests import database

    with django_db_blocker.unblock():
        database.remember_seeds()
    TransactionTestCase._fixture_teardown = lambda case: database.empty()


@pytest.fixture
def post(settings):
    """A mail server that letters really arrive at."""
    from tests.mail import post_office

    with post_office(settings) as post:
        yield post
