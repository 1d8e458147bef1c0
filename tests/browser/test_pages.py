"""Every page as it stands: accessible, within its content security policy, and as wide as its
window; on a desk and on a phone, light and dark."""

from datetime import timedelta

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests import database
from tests.browser.conftest import DESK, Visits
from tests.browser.pages import PLACES
from tests.browser.world import make_world
from users.sign_in import step_up

# The world is there before a test's own transaction begins, so that the site sees it.
pytestmark = [pytest.mark.browser, pytest.mark.django_db]

EMPTY = "/static/console/img/mark.svg"
PHONE = {"width": 390, "height": 844}
# Colours alone differ between light and dark.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
VIEWS = (
    ("light, desk", "light", DESK, {}),
    ("dark, desk", "dark", DESK, COLOURS),
    ("dark, phone", "dark", PHONE, COLOURS),
    ("light, phone", "light", PHONE, {}),
)
SHELL = [".skip", "header.top", "nav.side", "footer.base"]
# The parts of the shell as they stand, each with what may change its look: styles, theme, and what
# is open above it.
READ_SHELL = """(shell) => {
    const around = [
        ...[...document.styleSheets].map((each) => each.href),
        document.documentElement.cloneNode().outerHTML,
        document.body.className,
        ...[...document.querySelectorAll(":popover-open, dialog[open]")].map((each) => each.id),
    ].join("\\n");
    return shell.map((each) => document.querySelector(each)?.outerHTML).map((part) => part &&
        around + part.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1"));
}"""
RUN_AXE = """async ({ options, leftOut }) => {
    // Colours that fade into each other have no contrast yet.
    for (const each of document.getAnimations())
        each.effect.getTiming().iterations === Infinity ? each.cancel() : each.finish();
    const alike = "tbody tr:nth-child(n + 13)";  // the rest of a table
    const shown = {exclude: [alike, ...leftOut].map((each) => [each])};
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
    """One window for each role, which fetches once what its pages share."""

    def __init__(self, visits, sessions):
        self.visits, self.sessions = visits, sessions
        self.pages, self.answers = {}, set()
        self.sound = set()

    def open(self, place):
        """The window of the role that looks at this place, as wide and light as on a desk."""
        self.answers.clear()
        self.answers.add(place.status)
        if place.role not in self.pages:
            self.pages[place.role] = self.visits(
                self.sessions.get(place.role, ""), answers=self.answers, reduced_motion="reduce"
            )
        page = self.pages[place.role]
        page.goto(EMPTY)  # what the place before still had under way ends
        page.set_viewport_size(DESK)
        page.emulate_media(color_scheme="light")
        self.visits.complaints.clear()
        return page

    def faults(self, page):
        """What is wrong with a page in any view. A part of the shell that is letter for letter one
        that was sound is not looked at again."""
        page.evaluate(AXE_SCRIPT)
        shell = page.evaluate(READ_SHELL, SHELL)
        left_out = [part for part, text in zip(SHELL, shell, strict=True) if text in self.sound]
        wrong = []
        for view, scheme, size, options in VIEWS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size(size)
            found = page.evaluate(RUN_AXE, {"options": options, "leftOut": left_out})
            wrong += [f"{view}: {each}" for each in found]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append("wider than a phone")
        if not wrong:
            self.sound.update(shell)
        return wrong + self.visits.complaints


@pytest.fixture(scope="module")
def windows(chromium, site, world):
    visits = Visits(chromium, site)
    yield Windows(visits, world["staff"])
    visits.end()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_page_is_sound(windows, world, place):
    page = windows.open(place)
    arrive(page, place, world)
    assert windows.faults(page) == []


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


FAULTS = {
    "faint-in-the-dark": (
        "style('@media (prefers-color-scheme: dark) { main h1 { color: #333 } }')",
        ["dark, desk: color-contrast: h1", "dark, phone: color-contrast: h1"],
    ),
    "faint-on-a-light-phone": (
        "style('@media (width < 600px) and (prefers-color-scheme: light) { h1 { color: #ddd } }')",
        ["light, phone: color-contrast: h1"],
    ),
    "unlabelled-on-a-phone": (
        "add('main', 'input', 'odd'); style('@media (width > 600px) { .odd { display: none } }')",
        ["light, phone: label: .odd"],
    ),
    "nameless-button-in-the-shell": (
        "add('header.top', 'button', 'odd')",
        ["light, desk: button-name: .odd", "light, phone: button-name: .odd"],
    ),
    "wider-than-a-phone": (
        "add('main', 'div', 'odd'); style('.odd { width: 800px; height: 1px }')",
        ["wider than a phone"],
    ),
    "refused-style": (
        "document.querySelector('main').setAttribute('style', 'color: red')",
        ["Applying inline style violates", "CSP: style-src"],
    ),
}
SPOIL = """
    const style = (text) => {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(text);
        document.adoptedStyleSheets.push(sheet);
    };
    const add = (place, tag, name) => {
        const made = document.createElement(tag);
        made.className = name;
        document.querySelector(place).append(made);
    };"""


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found_in_each_view_that_has_it_also_when_the_shell_is_known(
    windows, world, fault
):
    [place] = [place for place in PLACES if place.name == "tiers-read-only"]
    page = windows.open(place)
    arrive(page, place, world)
    windows.sound.update(page.evaluate(READ_SHELL, SHELL))
    spoil, expected = FAULTS[fault]
    page.evaluate(f"() => {{{SPOIL} {spoil} }}")
    found = windows.faults(page)
    for each in expected:
        assert any(one.startswith(each) for one in found), (each, found)
    views = {view for view, *_rest in VIEWS if any(one.startswith(view) for one in found)}
    assert views == {view for view, *_rest in VIEWS if any(e.startswith(view) for e in expected)}
