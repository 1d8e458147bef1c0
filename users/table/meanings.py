"""What the values of the query language mean for people: how each kind of value is read, and the
condition that it stands for. Which word has which: ``users.table.words``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial, reduce
from ipaddress import ip_network
from operator import and_, or_
from typing import NamedTuple

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.people import Reader
from coai_admin.console import query
from coai_admin.console.columns import Sight
from coai_admin.console.query import Item
from coai_admin.console.query_moments import interval
from users import roles
from users.models import ReasonCode, Restriction, User
from users.status import Status, with_status
from users.table import conditions
from users.table.columns import (
    TIERS,
    email_state_condition,
    personal,
    staff_facts,
    subscription_condition,
    with_tier,
)
from users.table.further import logins

BIGGEST_ID = 2**63 - 1
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
DOMAIN = re.compile(r"@[^@\s]+\.[^@\s]+")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_BIGGEST_NETWORK = {4: 8, 6: 16}  # bits that must be given


class Asked(NamedTuple):
    """Who asks, and when."""

    viewer: Reader
    now: datetime

    @property
    def whole_addresses(self) -> bool:
        """Whether they may look for parts of addresses."""
        return personal(self.viewer) is Sight.FULL

    @property
    def whole_ips(self) -> bool:
        """Whether they see where people signed in from."""
        return sees_ips(self.viewer)


def sees_ips(viewer: Reader) -> bool:
    """Whether IP addresses are whole for this person. Masked ones must not be found out by
    asking."""
    return viewer.may("users.inspect_logins") and not viewer.sees_masked("users.inspect_logins")


def everybody(_viewer: Reader) -> bool:
    return True


def sees_staff(viewer: Reader) -> bool:
    """Whether this person may know who holds a role."""
    return staff_facts(viewer) is Sight.FULL


def sees_logins(viewer: Reader) -> bool:
    """Whether sign-ins, passwords and second factors are this person's to know."""
    return logins(viewer) is Sight.FULL


Means = Callable[[datetime], Q]


class Fact(NamedTuple):
    """One value of ``is:`` or ``has:``. ``status``: the account status that it names; these are
    asked together, because the restrictions are then read once. ``rare``: true of few, whom an
    index finds."""

    label: str | Promise
    means: Means
    sight: Callable[[Reader], bool] = everybody
    status: str = ""
    rare: bool = False


def either(meaning: Callable[[Item, Asked], Q]) -> Callable[[Sequence[Item], Asked], Q]:
    """Any of the values may hold."""
    return lambda items, asked: reduce(or_, [meaning(item, asked) for item in items])


def _fact_of_status(status: Status) -> Fact:
    rare = status is not Status.ACTIVE
    means = partial(with_status, [status])
    return Fact(status.label, means, status=status.value, rare=rare)


def _email(state: str) -> Means:
    return lambda now: email_state_condition(state)


IS: dict[str, Fact] = {
    **{status.value: _fact_of_status(status) for status in Status},
    "warned": Fact(
        gettext_lazy("warned"),
        lambda now: conditions.restricted([Restriction.Kind.WARNING], now),
        rare=True,
    ),
    "verified": Fact(gettext_lazy("address verified"), _email("verified")),
    "unverified": Fact(gettext_lazy("address not verified yet"), _email("pending")),
    "bouncing": Fact(gettext_lazy("mail bounces"), _email("bouncing"), rare=True),
    "complained": Fact(gettext_lazy("complained of our mail"), _email("complained"), rare=True),
    "suppressed": Fact(gettext_lazy("takes no mail"), _email("suppressed"), rare=True),
    "subscribed": Fact(
        gettext_lazy("subscription runs"), lambda now: subscription_condition("active", now)
    ),
    "imported": Fact(gettext_lazy("came from CoAI"), lambda now: Q(legacy_id__isnull=False)),
    "staff": Fact(gettext_lazy("holds a role"), lambda now: ~Q(role=roles.Role.NONE), sees_staff),
}
HAS: dict[str, Fact] = {
    "email": Fact(gettext_lazy("an email address"), lambda now: Q(email__isnull=False)),
    "tag": Fact(gettext_lazy("any tag"), lambda now: conditions.with_any_tag()),
    "note": Fact(gettext_lazy("a staff note"), lambda now: conditions.with_note()),
    "key": Fact(gettext_lazy("a live API key"), lambda now: conditions.with_api_key()),
    "2fa": Fact(
        gettext_lazy("a second factor"), lambda now: conditions.with_second_factor(), sees_logins
    ),
    "2fa_reset": Fact(
        gettext_lazy("a reset of the second factor, not due yet"),
        lambda now: conditions.losing_second_factor(),
        sees_logins,
    ),
    "session": Fact(gettext_lazy("a session"), lambda now: conditions.signed_in(now), sees_logins),
    "email_change": Fact(
        gettext_lazy("a new address to verify"), lambda now: conditions.changing_email(now)
    ),
    "subscription": Fact(
        gettext_lazy("a subscription, now or before"),
        lambda now: ~subscription_condition("none", now),
    ),
}


def facts(known: Mapping[str, Fact]) -> Callable[[Sequence[Item], Asked], Q]:
    def read(items: Sequence[Item], asked: Asked) -> Q:
        allowed = {name: fact for name, fact in known.items() if fact.sight(asked.viewer)}
        names = [query.choice(item, allowed) for item in items]
        statuses = [allowed[name].status for name in names if allowed[name].status]
        found = [allowed[name].means(asked.now) for name in names if not allowed[name].status]
        if statuses:
            found.append(with_status(statuses, asked.now))
        few = len(found) > 1 and all(allowed[name].rare for name in names)
        return _any_of_few(found) if few else reduce(or_, found)

    return read


def _any_of_few(found: Sequence[Q]) -> Q:
    """The people of any of these by their ids: for an OR with people found in another table
    PostgreSQL looks at everybody."""
    first, *others = [User.objects.filter(each).values("pk") for each in found]
    return Q(pk__in=first.union(*others, all=True))


def tiers(items: Sequence[Item], asked: Asked) -> Q:
    return with_tier(sorted(_tiers(items)), asked.now)


def other_tiers(items: Sequence[Item], asked: Asked) -> Q:
    """The opposite of ``tiers`` by the index, which a bare NOT would not use."""
    others = sorted(set(TIERS) - _tiers(items))
    return with_tier(others, asked.now) if others else Q(pk__in=[])


def _tiers(items: Sequence[Item]) -> set[int]:
    wanted: set[int] = set()
    for item in items:
        bounds = query.number(item, places=0)
        found = [tier for tier in TIERS if _keeps(tier, bounds)]
        if not found:
            raise item.wrong(_("There are the tiers 0 to 3."))
        wanted.update(found)
    return wanted


def _keeps(figure: int, bounds: query.Bounds) -> bool:
    low, high = bounds.low, bounds.high
    above = low is None or figure > low or (figure == low and not bounds.low_open)
    below = high is None or figure < high or (figure == high and not bounds.high_open)
    return above and below


def chosen(
    names: Sequence[str], means: Callable[[str, datetime], Q]
) -> Callable[[Sequence[Item], Asked], Q]:
    choices = dict.fromkeys(names)
    return either(lambda item, asked: means(query.choice(item, choices), asked.now))


def figures(path: str) -> Callable[[Sequence[Item], Asked], Q]:
    return either(lambda item, asked: conditions.between(path, query.number(item)))


def other_figures(path: str) -> Callable[[Sequence[Item], Asked], Q]:
    """The opposite of ``figures`` by the index, which a bare NOT would not use."""
    return lambda items, asked: reduce(
        and_, [conditions.beyond(path, query.number(item)) for item in items]
    )


def months(item: Item, asked: Asked) -> Q:
    return conditions.months_between(_small(item, query.number(item, places=0)))


def _small(item: Item, bounds: query.Bounds) -> query.Bounds:
    if any(limit is not None and abs(limit) >= 10**9 for limit in bounds[:2]):
        raise item.wrong(_("That is too big a number."))
    return bounds


def ids(item: Item, asked: Asked) -> Q:
    bounds = query.number(item, places=0)
    if any(limit is not None and not 0 <= limit <= BIGGEST_ID for limit in bounds[:2]):
        raise item.wrong(_("“%(word)s” is not an ID.") % {"word": query.short(item.text)})
    if bounds.low is not None and bounds.low == bounds.high:
        return Q(pk=int(bounds.low))
    return conditions.between("pk", bounds)


def expires(item: Item, asked: Asked) -> Q:
    if item.text.lower() == "never":
        return Q(standing__subscription__isnull=False, standing__ends_at__isnull=True)
    time = interval(item, asked.now, ahead=True)
    return conditions.within("standing__ends_at", time) & Q(standing__ends_at__isnull=False)


def ended(item: Item, asked: Asked) -> Q:
    time = interval(item, asked.now)
    ended = Q(standing__ends_at__lte=asked.now)
    return conditions.within("standing__ends_at", time) & ended


def seen(item: Item, asked: Asked) -> Q:
    if item.text.lower() == "never":
        return Q(last_seen_at__isnull=True)
    return conditions.seen_within(interval(item, asked.now))


def joined(item: Item, asked: Asked) -> Q:
    return conditions.within("joined_at", interval(item, asked.now))


def password(item: Item, asked: Asked) -> Q:
    if item.text.lower() == "never":
        return Q(password_changed_at__isnull=True)
    known = Q(password_changed_at__isnull=False)
    return known & conditions.within("password_changed_at", interval(item, asked.now))


def restricted(item: Item, asked: Asked) -> Q:
    return conditions.restricted_within(interval(item, asked.now, ahead=True), asked.now)


def reasons(items: Sequence[Item], asked: Asked) -> Q:
    """One statement of its own: a code that does not exist is a slip, and is said to be one."""
    known = dict.fromkeys(reason_codes())
    return conditions.restricted_for([query.choice(item, known) for item in items], asked.now)


def reason_codes() -> QuerySet[ReasonCode, str]:
    """Every reason code, in the order of their page; those out of use too."""
    codes = ReasonCode.objects.order_by("position", "code")
    return codes.values_list("code", flat=True)


def countries(items: Sequence[Item], asked: Asked) -> Q:
    return Q(country__in=[_country(item) for item in items])


def _country(item: Item) -> str:
    if item.text.lower() == "none":
        return ""
    if item.operator or not _COUNTRY.fullmatch(item.text):
        sentence = _("“%(word)s” is not a country: write two letters, as in CN, or none.")
        raise item.wrong(sentence % {"word": query.short(item.text)})
    return item.text.upper()


def name(item: Item, asked: Asked) -> Q:
    return conditions.like("username", query.pattern(item))


def address(item: Item, asked: Asked) -> Q:
    if item.text.lower() == "none" and not item.operator:
        return Q(email__isnull=True)
    text = item.text.removeprefix("*") if item.text.startswith("*@") else item.text
    known = ADDRESS.fullmatch(text) or DOMAIN.fullmatch(text)
    if known and "*" not in text and item.operator in {"", "="}:
        return conditions.by_address(text)
    if not asked.whole_addresses:
        raise item.wrong(masked())
    return conditions.like("email", query.pattern(item))


def masked() -> str:
    """Why a role that sees masked addresses cannot look for a part of one."""
    return _("Your role sees masked addresses: give a whole address, or @ and a domain.")


def tags(items: Sequence[Item], asked: Asked) -> Q:
    names = [item.text for item in items if item.text.lower() != "none"]
    found = [conditions.tagged(names)] if names else []
    if len(names) < len(items):
        found.append(~conditions.with_any_tag())
    return reduce(or_, found)


def flags(items: Sequence[Item], asked: Asked) -> Q:
    return Q(import_flags__overlap=[item.text for item in items])


def ip(item: Item, asked: Asked) -> Q:
    try:
        network = ip_network(item.text, strict=False)
    except ValueError:
        sentence = _("“%(word)s” is no IP address, and no network such as 203.0.113.0/24.")
        raise item.wrong(sentence % {"word": query.short(item.text)}) from None
    if network.prefixlen < _BIGGEST_NETWORK[network.version] or "%" in item.text:
        raise item.wrong(_("That network is too big to look through."))
    return conditions.seen_at(network)


def key(item: Item, asked: Asked) -> Q:
    if not 5 <= len(item.text) <= 16:
        raise item.wrong(
            _("Write how the key begins, 5 to 16 letters; a whole key goes alone into the box.")
        )
    return conditions.with_key_beginning(item.text)


def text(item: Item, asked: Asked) -> Q:
    """People by id, name, address, or where they signed in from."""
    said = item.text
    found = conditions.holding("username", said)
    if asked.whole_addresses:  # first what is quickly said
        found = conditions.holding("email", said) | found
    elif "@" in said and (ADDRESS.fullmatch(said) or DOMAIN.fullmatch(said)):
        found = conditions.by_address(said)
    if said.isascii() and said.isdigit() and len(said) < 20 and int(said) <= BIGGEST_ID:
        found |= Q(pk=int(said))
    address = query.ip(said)
    if address is not None and asked.whole_ips:
        found |= conditions.seen_at(ip_network(address))
    return found
