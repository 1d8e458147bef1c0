"""The filters of the user table. What a role may not see, it may not find out by filtering
either."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any, cast

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.db.models.lookups import Exact
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.people import Reader
from coai_admin.console.columns import Sight, Viewer
from coai_admin.console.fields import StrictDecimalField
from coai_admin.console.filters import AnyOf, Chip, DayFrom, DayTo, Filters
from coai_admin.console.query import Item, QueryError, Term, parse, without
from coai_admin.console.query_moments import Interval
from users import roles
from users.models import NEVER, Restriction
from users.status import Status, with_status
from users.table import conditions, meanings, words
from users.table.columns import (
    EMAIL_STATES,
    MONTHS,
    SEEN,
    TIERS,
    email_state_condition,
    personal,
    subscription_condition,
    with_tier,
)
from users.table.meanings import ADDRESS, BIGGEST_ID, DOMAIN, Asked

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)  # Python reads no number of thousands of digits


class WordsField(forms.CharField):
    """Words with commas or spaces between them, as a list."""

    def __init__(self, *, most: int = 200, **options: Any) -> None:
        self.most = most
        super().__init__(**options)

    def clean(self, value: Any) -> list[str]:
        words = [word for word in re.split(r"[,\s]+", super().clean(value)) if word]
        if len(words) > self.most:
            raise ValidationError(_("At most %(most)s at once.") % {"most": self.most})
        return [self.word(word) for word in dict.fromkeys(words)]

    def word(self, text: str) -> Any:
        """Read one word. Raises ValidationError."""
        return text


class IdsField(WordsField):
    """Ids of users."""

    def word(self, text: str) -> int:
        if not (_NUMBER.fullmatch(text) and int(text) <= BIGGEST_ID):
            raise ValidationError(_("“%(word)s” is not an ID.") % {"word": text[:40]})
        return int(text)


class CountriesField(WordsField):
    """Two-letter country codes; "none" for those whose country is not known."""

    def word(self, text: str) -> str:
        if text.lower() == "none":
            return ""
        if not re.fullmatch(r"[A-Za-z]{2}", text):
            raise ValidationError(
                _("“%(word)s” is not a country: write two letters, as in CN, or none.")
                % {"word": text[:40]}
            )
        return text.upper()


class WordsFilter(django_filters.Filter):
    """Rows whose field is one of the words."""

    field_class = WordsField

    def filter(self, qs: QuerySet[Any], value: list[Any]) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__in": value}) if value else qs


class IdsFilter(WordsFilter):
    field_class = IdsField


class CountriesFilter(WordsFilter):
    field_class = CountriesField


class SaidFilter(django_filters.CharFilter):
    """Commas between the values of a word of the query language: read, judged and looked up as
    that word is."""

    def __init__(self, word: str, **options: Any) -> None:
        self.word = word
        super().__init__(**options)

    def condition(self, text: str, asked: Asked) -> Q:
        """What the values mean. Raises QueryError."""
        values = filter(None, (value.strip() for value in text.split(",")))
        items = tuple(Item(value, 0, len(value)) for value in values)
        return words.WORDS[self.word].read(items, asked) if items else Q()

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        asked = Asked(self.parent.viewer, self.parent.now)
        return qs.filter(self.condition(value, asked)) if value else qs


class Condition(AnyOf):
    """Rows for which ``condition(values, now)`` holds."""

    def __init__(self, condition: Callable[[list[str], datetime], Q], **options: Any) -> None:
        self.condition = condition
        options.setdefault("widget", forms.CheckboxSelectMultiple)
        super().__init__(**options)

    def filter(self, qs: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        return qs.filter(self.condition(value, self.parent.now)) if value else qs


class RestrictedTo(DayTo):
    """Users under a live restriction that ends by the end of a day (UTC)."""

    def filter(self, qs: QuerySet[Any], value: date | None) -> QuerySet[Any]:
        if value is None:
            return qs
        live = Restriction.objects.live(self.parent.now).filter(ends_at__isnull=False)
        return qs.filter(pk__in=super().filter(live, value).values("user"))


def _either(condition: Callable[[str, datetime], Q]) -> Callable[[list[str], datetime], Q]:
    return lambda values, now: reduce(or_, (condition(value, now) for value in values))


class ExactNumber(django_filters.NumberFilter):
    """A number in plain digits. (Zero with an exponent of fifteen digits is a Decimal of one digit,
    and no number to PostgreSQL.)"""

    field_class = StrictDecimalField


class MonthsFilter(ExactNumber):
    """Subscribed months, those counted before the import included."""

    def filter(self, qs: QuerySet[Any], value: Any) -> QuerySet[Any]:
        return (
            qs
            if value is None
            else qs.alias(_months=MONTHS).filter(**{f"_months__{self.lookup_expr}": value})
        )


def _second_factor(*, has: bool) -> Q:
    return conditions.with_second_factor() if has else ~conditions.with_second_factor()


def _number(field: str, lookup: str, label: Any, **options: Any) -> ExactNumber:
    return ExactNumber(field, lookup, label=label, **options)


def _credits(field: str, lookup: str, label: Any) -> ExactNumber:
    return _number(field, lookup, label, max_digits=24, decimal_places=6)


def _months(lookup: str, label: Any) -> ExactNumber:
    whole = {"max_digits": 9, "decimal_places": 0}
    return MonthsFilter("standing__months", lookup, label=label, **whole)


_LOGINS = ("second_factor", "password_from", "password_to")
_SEEN: dict[str, Any] = {"key": SEEN, "known": Q(_key__gt=NEVER)}


class UserFilters(Filters):
    """One filter, or a pair of limits, for every column; the parameters of /admin/users/ and of the
    REST list."""

    q = django_filters.CharFilter(method="search", label=gettext_lazy("Search"), max_length=1_000)
    id = IdsFilter("pk", label=gettext_lazy("ID"))
    username = django_filters.CharFilter(
        method="by_username", label=gettext_lazy("Username"), max_length=254
    )
    email = django_filters.CharFilter(
        method="by_email", label=gettext_lazy("Email"), max_length=254
    )
    email_state = Condition(
        _either(lambda state, now: email_state_condition(state)),
        label=gettext_lazy("Email state"),
        choices=[(state, capfirst(label)) for state, label in EMAIL_STATES.items()],
    )
    status = Condition(with_status, label=gettext_lazy("Status"), choices=Status.choices)
    restriction = Condition(
        conditions.restricted,
        label=gettext_lazy("Restriction"),
        choices=[(kind.value, capfirst(kind.label)) for kind in Restriction.Kind],
    )
    restricted_to = RestrictedTo("ends_at", label=gettext_lazy("Restriction ends by"))
    reason = SaidFilter("reason", label=gettext_lazy("Restricted for"), max_length=1_000)
    tier = Condition(
        lambda tiers, now: with_tier([int(tier) for tier in tiers], now),
        label=gettext_lazy("Tier"),
        choices=[(str(tier), str(tier)) for tier in TIERS],
    )
    credits_min = _credits("statistics__balance", "gte", gettext_lazy("Credits from"))
    credits_max = _credits("statistics__balance", "lte", gettext_lazy("Credits to"))
    used_min = _credits("statistics__used", "gte", gettext_lazy("Used from"))
    used_max = _credits("statistics__used", "lte", gettext_lazy("Used to"))
    subscription = Condition(
        _either(subscription_condition),
        label=gettext_lazy("Subscription"),
        choices=[
            ("active", gettext_lazy("Active")),
            ("ended", gettext_lazy("Ended")),
            ("none", gettext_lazy("None")),
        ],
    )
    months_min = _months("gte", gettext_lazy("Months from"))
    months_max = _months("lte", gettext_lazy("Months to"))
    expires_from = DayFrom("standing__ends_at", label=gettext_lazy("Expires from"))
    expires_to = DayTo("standing__ends_at", label=gettext_lazy("Expires to"))
    seen_from = DayFrom("last_seen_at", **_SEEN, label=gettext_lazy("Last seen from"))
    seen_to = DayTo("last_seen_at", **_SEEN, label=gettext_lazy("Last seen to"))
    seen = Condition(
        lambda _never, now: Q(Exact(SEEN, NEVER)),  # in the words of the index
        label=gettext_lazy("Last seen"),
        choices=[("never", gettext_lazy("Never"))],
    )
    joined_from = DayFrom("joined_at", label=gettext_lazy("Joined from"))
    joined_to = DayTo("joined_at", label=gettext_lazy("Joined to"))
    country = CountriesFilter("country", label=gettext_lazy("Country"))
    role = Condition(
        lambda values, now: Q(role__in=values),
        label=gettext_lazy("Admin"),
        choices=[(role.value, capfirst(role.label)) for role in roles.Role],
    )
    tag = SaidFilter("tag", label=gettext_lazy("Tags"), max_length=1_000)
    expiring = ExactNumber(
        method="expiring_within",
        label=gettext_lazy("Expires within days"),
        max_digits=4,
        decimal_places=0,
        min_value=0,
    )
    email_change = Condition(
        lambda _pending, now: conditions.changing_email(now),
        label=gettext_lazy("Change of address"),
        choices=[("pending", gettext_lazy("Waits for the new address"))],
    )
    second_factor = Condition(
        _either(lambda state, now: _second_factor(has=state == "on")),
        label=gettext_lazy("Second factor"),
        choices=[("on", gettext_lazy("On")), ("off", gettext_lazy("Off"))],
    )
    password_from = DayFrom("password_changed_at", label=gettext_lazy("Password changed from"))
    password_to = DayTo("password_changed_at", label=gettext_lazy("Password changed to"))
    ip = SaidFilter("ip", label=gettext_lazy("IP address"), max_length=1_000)
    flag = WordsFilter(method="by_flag", label=gettext_lazy("Import flag"))

    text = ""
    wrong: QueryError | None = None
    terms: Sequence[Term] = ()
    _conditions: Sequence[Q] = ()

    @classmethod
    def hidden_from(cls, viewer: Viewer) -> frozenset[str]:
        reader = cast("Reader", viewer)
        hidden = () if meanings.sees_staff(reader) else ("role",)
        logins = () if meanings.sees_logins(reader) else _LOGINS
        return frozenset((*hidden, *logins, *(() if meanings.sees_ips(reader) else ("ip",))))

    @property
    def whole_addresses(self) -> bool:
        """Whether the viewer may look for parts of addresses."""
        return personal(self.viewer) is Sight.FULL

    def clean(self, data: Mapping[str, Any]) -> None:
        email = data.get("email", "")
        known = ADDRESS.fullmatch(email) or DOMAIN.fullmatch(email)
        if email and not self.whole_addresses and not known:
            self.refuse("email", meanings.masked())
        if text := data.get("q"):
            self._understand(text)
        for name in ("reason", "tag", "ip"):
            if data.get(name):
                self._judge(name, data[name])

    def _judge(self, name: str, text: str) -> None:
        said = self.filters[name]
        assert isinstance(said, SaidFilter)
        try:
            said.condition(text, Asked(cast("Reader", self.viewer), self.now))
        except QueryError as wrong:
            self.refuse(name, str(wrong))

    def search(self, rows: QuerySet[Any], _name: str, text: str) -> QuerySet[Any]:
        """People for whom every word of the query holds."""
        for condition in self._conditions:
            rows = rows.filter(condition)
        return rows

    def _understand(self, text: str) -> None:
        """Read the query; ``wrong`` is what could not be understood of it."""
        asked = Asked(cast("Reader", self.viewer), self.now)
        self.text = text
        try:
            self.terms = parse(text)
            self._conditions = [words.condition(term, asked) for term in self.terms]
        except QueryError as wrong:
            self.wrong = wrong
            self.refuse("q", str(wrong))

    def chips(self) -> list[Chip]:
        """The filters that are on, in words; of the query each of its own."""
        found = []
        for chip in super().chips():
            if chip.name != "q":
                found.append(chip)
                continue
            text = self.form.cleaned_data["q"]
            for term in self.terms:
                label, value = words.describe(term, text)
                found.append(Chip("q", label, value, without(text, term)))
        return found

    def by_username(self, rows: QuerySet[Any], _name: str, text: str) -> QuerySet[Any]:
        """People whose name holds the text, whatever its case."""
        return rows.filter(conditions.holding("username", text))

    def by_email(self, rows: QuerySet[Any], _name: str, text: str) -> QuerySet[Any]:
        """People by a whole address, by @ and a domain, or (who may see addresses) by any part of
        one."""
        if ADDRESS.fullmatch(text) or text.startswith("@"):
            return rows.filter(conditions.by_address(text))
        return rows.filter(conditions.holding("email", text))

    def expiring_within(self, rows: QuerySet[Any], _name: str, days: Decimal) -> QuerySet[Any]:
        """People whose subscription ends in so many days at most."""
        time = Interval(self.now, self.now + timedelta(days=int(days)))
        return rows.filter(conditions.within("standing__ends_at", time))

    def by_flag(self, rows: QuerySet[Any], _name: str, flags: Iterable[str]) -> QuerySet[Any]:
        """People on whom the import left one of these remarks."""
        wanted = list(flags)
        return rows.filter(import_flags__overlap=wanted) if wanted else rows
