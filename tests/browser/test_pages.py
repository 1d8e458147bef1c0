"""Every page as it stands: accessible, within its content security policy, and as wide as its
window; on a desk and on a phone, light and dark."""

from datetime import timedelta

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests import database
from tests.browser.conftest import Visits
from tests.browser.pages import PLACES
from tests.browser.world import make_world
from users.sign_in import step_up

# The world is there before a test's own transaction begins, so that the site sees it.
pytestmark = [pytest.mark.browser, pytest.mark.django_db]

PHONE = {"width": 390, "height": 844}
# Colours alone differ between light and dark.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
RUN_AXE = """async (options) => {
    // Colours that fade into each other have no contrast yet.
    for (const each of document.getAnimations())
        each.effect.getTiming().iterations === Infinity ? each.cancel() : each.finish();
    const shown = {exclude: [["tbody tr:nth-child(n + 13)"]]};  // the rest of a table is alike
    const { violations } = await axe.run(shown, {...options, resultTypes: ["violations"]});
    return violations.filter((each) => ["serious", "critical"].includes(each.impact))
        .flatMap((each) => each.nodes.map((node) => `${each.id}: ${node.target} ${node.html}`));
}"""


@pytest.fixture(scope="module")
def world(site, tmp_path_factory, django_db_blocker):
    """One world for all pages: they only look, for longer than a step-up lasts."""
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(step_up, "LASTS", timedelta(days=1))
        yield make_world(tmp_path_factory.mktemp("world"))
        database.empty()


class Windows:
    """A browser for each role, which fetches once what its pages share."""

    def __init__(self, visits, sessions):
        self.visits, self.sessions = visits, sessions
        self.browsers, self.answers = {}, set()

    def open(self, place):
        """A page for the role that looks at this place, as it stands on a desk."""
        self.answers.clear()
        self.answers.add(place.status)
        self.visits.complaints.clear()
        if place.role not in self.browsers:
            self.browsers[place.role] = self.visits.browser(
                self.sessions.get(place.role, ""), answers=self.answers, reduced_motion="reduce"
            )
        return self.browsers[place.role].new_page()


@pytest.fixture(scope="module")
def windows(chromium, site, world):
    visits = Visits(chromium, site)
    yield Windows(visits, world["staff"])
    visits.end()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            place, id=place.name, marks=pytest.mark.xdist_group(f"browser-pages-{number % 2}")
        )
        for number, place in enumerate(PLACES)
    ],
)
def test_page_is_sound(windows, world, place):
    page = windows.open(place)
    arrive(page, place, world)
    wrong = axe(page, "light, desk", {})
    page.emulate_media(color_scheme="dark")
    wrong += axe(page, "dark, desk", COLOURS)
    page.set_viewport_size(PHONE)
    wrong += axe(page, "dark, phone", COLOURS)
    page.emulate_media(color_scheme="light")
    wrong += axe(page, "light, phone", {})
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append("wider than a phone")
    page.close()
    assert wrong + windows.visits.complaints == []


def arrive(page, place, world):
    """Open the page, and what is to be opened on it."""
    answer = page.goto(place.address.format(**world))
    assert answer.status == place.status
    for name, text in place.type:
        page.locator(f"main [name={name}]").fill(text)
    if place.type:
        page.keyboard.press("Tab")  # leaving a field asks for the preview
    for each in place.open:
        page.locator(each.format(**world)).first.click()
    if place.shows:
        page.locator(place.shows).wait_for()


def axe(page, view, options):
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return [f"{view}: {each}" for each in page.evaluate(RUN_AXE, options)]
