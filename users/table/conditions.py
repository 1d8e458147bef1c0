"""What people can be found by, as conditions: the filters and the words of the query language read
the same ones. Those of tier, subscription and address stand beside their columns, that of the
status in ``users.status``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.db.models import (
    BooleanField,
    F,
    Func,
    GenericIPAddressField,
    Lookup,
    Q,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Lower, Replace, Upper
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThan, LessThanOrEqual

from coai_admin.console.query import Bounds, Pattern
from coai_admin.console.query_moments import Interval
from users.factor_resets import OPEN
from users.models import (
    NEVER,
    ApiKey,
    EmailChange,
    Note,
    Restriction,
    SecondFactorReset,
    Session,
    Tag,
    Tagging,
)
from users.plain_text import beyond_ascii, plain_text
from users.table.columns import MONTHS, SEEN
from users.table.further import second_factors


def restricted(kinds: Collection[str], now: datetime) -> Q:
    """The users under a live restriction of one of these kinds."""
    return Q(pk__in=Restriction.objects.live(now).filter(kind__in=kinds).values("user"))


def restricted_within(time: Interval, now: datetime) -> Q:
    """The users under a live restriction that ends in this time."""
    live = Restriction.objects.live(now).filter(within("ends_at", time), ends_at__isnull=False)
    return Q(pk__in=live.values("user"))


def restricted_for(codes: Collection[str], now: datetime) -> Q:
    """The users under a live restriction for one of these reasons."""
    return Q(pk__in=Restriction.objects.live(now).filter(reason__in=codes).values("user"))


def tagged(names: Iterable[str]) -> Q:
    """The users who bear one of these tags, whatever the case."""
    tags = Tag.objects.alias(_name=Lower("name")).filter(
        _name__in=[Lower(Value(name)) for name in names]
    )
    return Q(pk__in=Tagging.objects.filter(tag__in=tags.values("pk")).values("user"))


def with_any_tag() -> Q:
    return Q(pk__in=Tagging.objects.values("user"))


def with_second_factor() -> Q:
    """The users who have set up a second factor."""
    return Q(pk__in=second_factors().values("user"))


def losing_second_factor() -> Q:
    """The users whose second factor is about to be reset."""
    return Q(pk__in=SecondFactorReset.objects.filter(OPEN).values("user"))


def with_api_key() -> Q:
    """The users who have an API key that is not revoked."""
    return Q(pk__in=ApiKey.objects.filter(revoked_at__isnull=True).values("user"))


def with_key_beginning(prefix: str) -> Q:
    """The users one of whose API keys, revoked or not, begins so."""
    return Q(pk__in=ApiKey.objects.filter(prefix__startswith=prefix).values("user"))


def with_note() -> Q:
    """The users on whom a colleague left a note that stands."""
    return Q(pk__in=Note.objects.filter(withdrawn_at__isnull=True).values("user"))


def changing_email(now: datetime) -> Q:
    """The users whose change of address waits for the new address."""
    pending = EmailChange.objects.filter(
        verified_at__isnull=True, cancelled_at__isnull=True, expires_at__gt=now
    )
    return Q(pk__in=pending.values("user"))


def signed_in(now: datetime) -> Q:
    """The users with a session that has not ended."""
    return Q(pk__in=Session.objects.filter(expire_date__gt=now, user__isnull=False).values("user"))


def seen_at(network: IPv4Network | IPv6Network) -> Q:
    """The users with a session from an address of this network."""
    address = Cast(Value(str(network)), GenericIPAddressField())
    within_it = Func(
        F("ip"), address, arg_joiner=" <<= ", template="(%(expressions)s)", output_field=_TRUTH
    )
    return Q(pk__in=Session.objects.filter(within_it, user__isnull=False).values("user"))


_TRUTH = BooleanField()
_ANYTHING = None  # between the parts of a pattern


def within(field: str, time: Interval) -> Q:
    """Rows whose moment lies in this time."""
    found = Q()
    if time.start is not None:
        found &= Q(**{f"{field}__gte": time.start})
    if time.end is not None:
        found &= Q(**{f"{field}__lt": time.end})
    return found


def seen_within(time: Interval) -> Q:
    """The users last seen in this time; those who never were are in none."""
    found = Q(GreaterThan(SEEN, Value(NEVER)))
    if time.start is not None:
        found &= Q(GreaterThanOrEqual(SEEN, Value(time.start)))
    if time.end is not None:
        found &= Q(LessThan(SEEN, Value(time.end)))
    return found


def between(field: str, bounds: Bounds) -> Q:
    """Rows whose figure keeps these limits."""
    found = Q()
    if bounds.low is not None:
        found &= Q(**{f"{field}__{'gt' if bounds.low_open else 'gte'}": bounds.low})
    if bounds.high is not None:
        found &= Q(**{f"{field}__{'lt' if bounds.high_open else 'lte'}": bounds.high})
    return found


def beyond(field: str, bounds: Bounds) -> Q:
    """Rows whose figure is known and breaks these limits."""
    found = Q(pk__in=[])
    if bounds.low is not None:
        found |= Q(**{f"{field}__{'lte' if bounds.low_open else 'lt'}": bounds.low})
    if bounds.high is not None:
        found |= Q(**{f"{field}__{'gte' if bounds.high_open else 'gt'}": bounds.high})
    return found


def months_between(bounds: Bounds) -> Q:
    """The users with so many subscribed months, those before an import included."""
    found = Q()
    if bounds.low is not None:
        above: type[Lookup[Any]] = GreaterThan if bounds.low_open else GreaterThanOrEqual
        found &= Q(above(MONTHS, Value(int(bounds.low))))
    if bounds.high is not None:
        below: type[Lookup[Any]] = LessThan if bounds.high_open else LessThanOrEqual
        found &= Q(below(MONTHS, Value(int(bounds.high))))
    return found


def holding(field: str, text: str) -> Q:
    """Rows whose text holds this one, whatever the case. Under three letters the trigram index
    finds beginnings only, and so many of them that nobody waits until each was read without its
    accents: "el" finds no Élan, "ela" and "él" do."""
    if len(text) >= 3:
        return _alike(field, (_ANYTHING, text, _ANYTHING))
    if text.isascii():
        return _named(field) & Q(_like(Upper(F(field)), Upper, (text, _ANYTHING)))
    return _alike(field, (text, _ANYTHING))


def like(field: str, pattern: Pattern) -> Q:
    """Rows whose text is like this, whatever the case; in the words of the trigram index."""
    if pattern.whole:
        return Q(**{f"{field}__iexact": pattern.pieces[0]})
    if len(pattern.pieces) == 3 and not pattern.pieces[0] and not pattern.pieces[2]:
        return holding(field, pattern.pieces[1])
    between = (part for piece in pattern.pieces[1:] for part in (_ANYTHING, piece))
    return _alike(field, (pattern.pieces[0], *between))


def _named(field: str) -> Q:
    """Rows that have this text: said apart, so that the opposite takes in those without any."""
    return Q() if field == "username" else Q(**{f"{field}__isnull": False})


def _alike(field: str, parts: Sequence[str | None]) -> Q:
    """``parts``: texts, and None for anything between them. Names are compared without accents; for
    those of ASCII letters this is what their capitals say."""
    if field != "username":
        return _named(field) & Q(_like(Upper(F(field)), Upper, parts))
    accented = Q(_like(plain_text(F(field)), plain_text, parts))
    return Q(_like(Upper(F(field)), plain_text, parts)) | (beyond_ascii(field) & accented)


def _like(found: Any, form: Callable[[Any], Func], parts: Sequence[str | None]) -> Any:
    pattern = [Value("%") if part is _ANYTHING else _literal(form(Value(part))) for part in parts]
    return Func(
        found,
        Func(*pattern, arg_joiner=" || ", template="(%(expressions)s)", output_field=TextField()),
        arg_joiner=" LIKE ",
        template="(%(expressions)s)",
        output_field=_TRUTH,
    )


def _literal(text: Any) -> Any:
    """A text in which nothing stands for anything else. The signs are looked for at the end: a
    broad ％ is a plain one by then."""
    for sign in ("\\", "%", "_"):
        text = Replace(text, Value(sign), Value(f"\\{sign}"))
    return text


def by_address(text: str) -> Q:
    """The people with this address, or with one at this domain (``@example.com``)."""
    return Q(email__iendswith=text) if text.startswith("@") else Q(email__iexact=text)
