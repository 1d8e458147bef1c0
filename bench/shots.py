"""Pictures of every page in bench/shots/ (not in git): light and dark, at three widths, with nobody
there, with demonstration data, and for an account whose name is 24 wide characters. ``--readme``
makes the picture in the README, docs/img/users.png, instead."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.db.models import Count, F, QuerySet
from django.utils.timezone import now as time_now
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from audit.models import Act, AuditEntry, Run, Selection
from audit.registry import operations
from audit.runs import drafting, steering, working
from bench.report import Case, case
from bench.shot_pages import NOBODY_THERE, PAGES, Shot
from billing.services import adjust_credits
from users.demo.loading import load_demo
from users.models import User
from users.restrictions.services import suspend
from users.roles import Role
from users.services import create_user

DATABASE = "empty"
_CHECKOUT = Path(__file__).resolve().parent.parent
_FOLDER = _CHECKOUT / "bench" / "shots"
_README = _CHECKOUT / "docs" / "img" / "users.png"
_CHROMIUM = shutil.which("chromium")
_CHROMIUM_ARGUMENTS = ["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
_WIDTHS = {1440: 900, 1024: 768, 390: 844}
_SCHEMES = ("light", "dark")
_WIDE_NAME = "漢字仮名交じり文の長い名前を持つ利用者さんです壱弐"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Demonstration data are 2,000 people unless ``--users`` says otherwise."""
    parser.set_defaults(users=2_000)
    parser.add_argument("--only", default="", metavar="TEXT", help="pages with this in their name")
    parser.add_argument(
        "--into", type=Path, default=_FOLDER, metavar="FOLDER", help="(%(default)s)"
    )
    parser.add_argument("--readme", action="store_true", help="only docs/img/users.png")


def run(options: argparse.Namespace) -> list[Case]:
    """Take the pictures; count them, and the pages that are wider than their window or that the
    browser complained about."""
    if _CHROMIUM is None:
        sys.exit("Pictures need a browser: apt-get install chromium")
    # Playwright keeps an event loop in this thread; Django takes that for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    passwords = {Role.SUPER_ADMIN.value: secrets.token_urlsafe(18)}
    create_user("superadmin", password=passwords[Role.SUPER_ADMIN], role=Role.SUPER_ADMIN)
    with _web() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, chromium_sandbox=False, args=_CHROMIUM_ARGUMENTS
        )
        camera = Camera(
            browser, site, options.into, {"super_admin": ("superadmin", passwords["super_admin"])}
        )
        if not options.readme:
            camera.take("empty", _chosen(NOBODY_THERE, options.only), {})
        staff = load_demo(options.users, now=time_now()).staff
        camera.staff |= {
            each.role.value: (each.user.username, each.password) for each in staff if each.password
        }
        if options.readme:
            camera.take_readme()
        else:
            camera.take("full", _chosen(PAGES, options.only), _places())
        browser.close()
    return [
        case("pictures", camera.taken, "", better="higher"),
        case("pages wider than their window", len(camera.too_wide), "", limit=0),
        case("pages with errors in the browser", len(camera.complaints), "", limit=0),
    ]


def _chosen(shots: tuple[Shot, ...], only: str) -> tuple[Shot, ...]:
    return tuple(shot for shot in shots if only in shot.name)


class Camera:
    """A browser in front of one console; signs in once for each role."""

    def __init__(
        self, browser: Browser, site: str, folder: Path, staff: dict[str, tuple[str, str]]
    ) -> None:
        self.browser, self.site, self.folder, self.staff = browser, site, folder, staff
        self.taken = 0
        self.too_wide: set[str] = set()
        self.complaints: set[str] = set()
        self._states: dict[str, Any] = {}
        self._heard: list[str] = []

    def take(self, scene: str, shots: tuple[Shot, ...], places: Mapping[str, str]) -> None:
        """Every page in both schemes at all widths, into the scene's folder."""
        for role in dict.fromkeys(shot.role for shot in shots):
            for width, height in _WIDTHS.items():
                for scheme in _SCHEMES:
                    with self._as(role, width, height, scheme) as page:
                        for shot in shots:
                            if shot.role == role:
                                self._one(page, scene, shot, f"{width}-{scheme}", places)

    def take_readme(self) -> None:
        """The table of users as a visitor of the repository sees it."""
        _README.parent.mkdir(parents=True, exist_ok=True)
        with self._as("super_admin", 1440, 900, "light") as page:
            page.goto(f"{self.site}/admin/users/?sort=-seen", wait_until="networkidle")
            page.screenshot(path=_README)
        self.taken += 1

    def _one(
        self, page: Page, scene: str, shot: Shot, view: str, places: Mapping[str, str]
    ) -> None:
        where = f"{scene}/{shot.name}-{view}"
        self._heard.clear()
        answer = page.goto(self.site + shot.path.format_map(places), wait_until="networkidle")
        for selector in shot.clicks:
            page.locator(selector).first.click()
            page.wait_for_timeout(400)
        page.screenshot(path=self.folder / f"{where}.png", full_page=True)
        self.taken += 1
        self._judge(page, where, shot.status, answer.status if answer else 0)

    def _judge(self, page: Page, where: str, wanted: int, status: int) -> None:
        """Note what is wrong with a page that lies open."""
        # The browser calls a page of ours that answers 404 an error, too.
        expected = f"status of {wanted}" if wanted != 200 else "\0"
        heard = [said for said in self._heard if expected not in said]
        if status != wanted:
            heard.append(f"answered {status}")
        if heard:
            self.complaints.add(where)
            print(f"{where}: {'; '.join(heard)}")
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            self.too_wide.add(where)
            print(f"{where}: wider than its window")

    @contextlib.contextmanager
    def _as(self, role: str, width: int, height: int, scheme: Any) -> Iterator[Page]:
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            storage_state=self._state(role),
        )
        with contextlib.closing(context):
            page = context.new_page()
            page.on("pageerror", lambda error: self._heard.append(str(error)))
            page.on("console", self._listen)
            yield page

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._heard.append(message.text)

    def _state(self, role: str) -> Any:
        """The cookies of somebody signed in through the real page."""
        if role and role not in self._states:
            with contextlib.closing(self.browser.new_context()) as context:
                self._sign_in(context, *self.staff[role])
                self._states[role] = context.storage_state()
        return self._states.get(role)

    def _sign_in(self, context: BrowserContext, username: str, password: str) -> None:
        page = context.new_page()
        page.goto(f"{self.site}/admin/account/sign-in/")
        page.locator("input[name=login]").fill(username)
        page.locator("input[type=password]").fill(password)
        page.locator("form button.go").click()
        page.wait_for_url(f"{self.site}/admin/")


def _places() -> dict[str, str]:
    """Whom the pages show: somebody with a long history, somebody suspended, the wide name."""
    now = time_now()
    actor = User.objects.get(role=Role.USER_ADMIN)
    wide = create_user(
        _WIDE_NAME,
        email=f"{'a-very-long-mailbox-name' * 2}@{'subdomain.' * 4}example",
        now=now - timedelta(days=400),
    )
    adjust_credits(
        [wide.pk], actor=actor, delta=Decimal("123456789.123456"), reason=_WIDE_NAME * 4, now=now
    )
    suspend(
        [wide.pk],
        actor=actor,
        reason_code="credential_sharing",
        ends_at=now + timedelta(days=7),
        reason=_WIDE_NAME * 4,
        internal_note=_WIDE_NAME * 4,
        now=now,
    )
    return {
        "user": str(_with_a_past(now)),
        "suspended": _first(User.objects.restricted("suspension", now).exclude(pk=wide.pk)),
        "wide": str(wide.pk),
        "wide_name": _WIDE_NAME,
        "act": _first(Act.objects.order_by("-changed")),
        "recent": _first(Act.objects.order_by("-created_at")),
        "entry": _first(AuditEntry.objects.filter(act_id__isnull=False).order_by("-pk")),
        "selection": str(_selection(now, 40).pk),
        **_runs(now),
    }


def _runs(now: datetime) -> dict[str, str]:
    """Runs on everybody at every stage; those under way look as if a worker held them."""
    chosen, boss = _selection(now, None), User.objects.get(role=Role.SUPER_ADMIN)
    found = {
        stage: drafting.draft(operations()[code], chosen, form, actor=boss, now=now).pk
        for stage, code, form in (
            ("previewed", "users.suspend", {"reason_code": ["spam"], "ends_at": ["3d"]}),
            ("running", "billing.adjust_credits", {"delta": ["-25"]}),
        )
    }
    few = drafting.draft_for(
        operations()["subscriptions.extend"],
        chosen.ids[:300],
        {"amount": ["5"], "unit": ["days"]},
        actor=boss,
        now=now,
    )
    _work()
    steering.confirm(few.pk, actor=boss, now=now, reason="The outage of Tuesday", ticket="OPS-118")
    _work()
    steering.confirm(found["running"], actor=boss, now=now, reason="Charged by mistake")
    found["counting"] = drafting.draft(
        operations()["users.tag"], chosen, {"add": ["met"]}, actor=boss, now=now
    ).pk
    held = {"lease_until": now + timedelta(hours=1), "pace": 31_250, "cursor": F("total") * 2 / 5}
    half = {"state": "running", "started_at": now, "changed": F("total") / 3, "refused": 12}
    Run.objects.filter(pk__in=[found["running"], found["counting"]]).update(**held)
    Run.objects.filter(pk=found["running"]).update(**half)
    found["done"] = few.pk
    return {
        "large_selection": str(chosen.pk),
        "request": _first(Run.objects.filter(state="waiting")),
        **{f"run_{stage}": str(pk) for stage, pk in found.items()},
    }


def _with_a_past(now: datetime) -> int:
    """Who subscribes, was dealt with by staff more than once, and has the longest history."""
    entries = AuditEntry.objects.filter(target_type="user", act_id__isnull=False)
    times = dict(entries.values_list("target_id").annotate(Count("pk")))
    subscribed = User.objects.filter(standing__ends_at__gt=now, standing__tier__gt=0)
    found = subscribed.values_list("pk", "account__version")
    return max(found, key=lambda row: (min(times.get(row[0], 0), 2), row[1]))[0]


def _work() -> None:
    """Do what workers would do."""
    while working.work():
        pass


def _selection(now: datetime, number: int | None) -> Selection:
    """So many users that the super admin picked, or all of them."""
    people = User.objects.filter(role=Role.NONE).order_by("pk").values_list("pk", flat=True)
    ids = list(people[:number])
    owner = User.objects.get(role=Role.SUPER_ADMIN)
    return Selection.objects.create(owner=owner, ids=ids, expires_at=now + timedelta(hours=1))


def _first(rows: QuerySet[Any]) -> str:
    found = rows.first()
    assert found is not None
    return str(found.pk)


@contextlib.contextmanager
def _web() -> Iterator[str]:
    """The real web server on this database, at a free port; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "coai_admin.wsgi", "-b", f"127.0.0.1:{port}"]
    site = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [*command, "-k", "gthread", "-w", "1", "--threads", "4", "--no-control-socket"],
            env={**os.environ, "SITE_URL": site, "PORT": str(port)},
            cwd=_CHECKOUT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _await(server, site, log)
            yield site
        finally:
            server.terminate()
            server.wait(15)


def _await(server: subprocess.Popen[bytes], site: str, log: Any) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{site}/admin/account/sign-in/", timeout=5)  # noqa: S310
        except urllib.error.HTTPError as error:
            log.seek(0)
            sys.exit(f"The console answers {error.code}:\n{log.read().decode(errors='replace')}")
        except OSError:
            time.sleep(0.1)
        else:
            return
    log.seek(0)
    sys.exit(f"The console does not start:\n{log.read().decode(errors='replace')}")
