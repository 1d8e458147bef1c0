"""What tests in a browser share: the console as a real site, Debian's Chromium, and people in front
of it. Each worker has one of both."""

import re

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.db import connections
from django.test import Client
from django.test.testcases import LiveServerThread
from playwright.sync_api import expect, sync_playwright

from tests.clients import step_down, step_up
from tests.conftest import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.factories import make_staff
from users.roles import Role

NO_FAULTS = (
    # That an answer was 4xx is judged where it is known which are meant to be.
    "Failed to load resource: the server responded",
    "Response Status Error Code",
    # While one types or ticks on, htmx gives up the request before.
    "htmx:afterRequest, ",
    "htmx:sendAbort, ",
)
DESK = {"width": 1440, "height": 900}
WAIT = 10_000  # milliseconds, for anything that a person would wait for
# What the browser says of itself is not enough: a refused style is silent in some of its versions.
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) => console.error(
    `CSP: ${event.violatedDirective} refused ${event.blockedURI} at ${event.sourceFile}`))"""


class Server(ThreadedWSGIServer):
    """Waits at its end for its threads, so that none still holds the database."""

    daemon_threads = False


class ServerThread(LiveServerThread):
    server_class = Server


@pytest.fixture(scope="package")
def site(django_db_setup):
    """The address of the console. The whole of it answers, static files and headers included, as in
    development."""
    server = ServerThread("127.0.0.1", static_handler=lambda _files: WSGIHandler())
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    yield f"http://{server.host}:{server.port}"
    server.terminate()


@pytest.fixture(scope="package")
def chromium(site):
    """The browser. Playwright keeps an event loop in this thread, which Django takes for async
    code; both end with the last test here."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        expect.set_options(timeout=WAIT)
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, chromium_sandbox=False, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        browser.close()
        connections.close_all()  # those of the loop; outside of it others are used


def session_of(user, *, confirmed=True):
    """The cookie of somebody who is signed in already, and has ``confirmed`` that it is them."""
    client = Client()
    client.force_login(user)
    (step_up if confirmed else step_down)(client)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Visits:
    """Opens windows for people, and hears everything that goes wrong in them."""

    def __init__(self, chromium, site):
        self.chromium, self.site = chromium, site
        self.contexts, self.complaints = [], []

    def __call__(self, session="", **options):
        """A page in a browser of its own; see ``browser``."""
        return self.browser(session, **options).new_page()

    def browser(self, session="", *, scripts=True, answers=(), **options):
        """A browser of its own, signed in by ``session``. Answers of 400 and above are complaints,
        but those in ``answers``."""
        context = self.chromium.new_context(
            base_url=self.site,
            java_script_enabled=scripts,
            **{"viewport": DESK, **options},
        )
        self.contexts.append(context)
        context.set_default_timeout(WAIT)
        context.add_init_script(REPORT_VIOLATIONS)
        if session:
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": self.site}
            context.add_cookies([cookie])
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("response", lambda response: self._see(response, answers))
        return context

    def _hear(self, message):
        if message.type in ("error", "warning") and not message.text.startswith(NO_FAULTS):
            self.complaints.append(f"{message.text} ({message.location.get('url', '')})")

    def _see(self, response, answers):
        ours = response.url.startswith((self.site, "blob:", "data:"))
        if not ours:
            self.complaints.append(f"{response.url} is not ours")
        elif response.status >= 400 and response.status not in answers:
            self.complaints.append(f"{response.url} answered {response.status}")

    def picture(self, folder, name):
        """The windows as they are now, for whoever wonders why a test failed."""
        for number, page in enumerate(page for each in self.contexts for page in each.pages):
            page.screenshot(path=f"{folder}/{name}-{number}.png")

    def end(self):
        for context in self.contexts:
            context.close()


@pytest.fixture
def visit(chromium, site, request):
    """``visit(session_of(user))`` opens a page for somebody. What the browser complained about
    anywhere (the content security policy, scripts, answers) fails the test at its end."""
    visits = Visits(chromium, site)
    yield visits
    called = getattr(request.node, "rep_call", None)
    if called and called.failed:
        name = re.sub(r"[^\w]+", "-", request.node.name)
        visits.picture(request.config.getoption("--output"), name)
    visits.end()
    assert visits.complaints == []


@pytest.fixture
def admin(transactional_db):
    """Who may do everything."""
    return make_staff(Role.SUPER_ADMIN, username="boss")


@pytest.fixture
def desk(visit, admin):
    """The admin's window."""
    return visit(session_of(admin))
