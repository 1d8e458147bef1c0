"""The words of the query language of the user table: one row for each, with what its values are,
who may ask and how they are read. The box, its completion and its help page read this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.people import Reader
from coai_admin.console import query
from coai_admin.console.query import Item, Term
from users import roles
from users.table import meanings
from users.table.columns import TIERS, subscription_condition
from users.table.meanings import HAS, IS, Asked, everybody, sees_ips, sees_logins, sees_staff


@dataclass(frozen=True, slots=True)
class Word:
    """One word of the language. ``read`` turns its values into a condition, and raises QueryError.
    ``values``: what can be chosen from, each with what it says; empty where values are free.
    ``opposite``: what a minus before it asks for, where that is quicker than a bare NOT."""

    name: str
    label: str | Promise
    help: str | Promise
    examples: tuple[str, ...]
    read: Callable[[Sequence[Item], Asked], Q]
    values: Mapping[str, str | Promise] = field(default_factory=dict)
    sight: Callable[[Reader], bool] = everybody
    opposite: Callable[[Sequence[Item], Asked], Q] | None = None


_SPAN = gettext_lazy("a date, today, or a span of time back from now: 30d, 6m, 1y")
_AHEAD = gettext_lazy("a date, or a span of time from now on: 7d, 3m")
_STATES = {
    "active": gettext_lazy("runs"),
    "ended": gettext_lazy("is over"),
    "none": gettext_lazy("never had one"),
}

WORDS: dict[str, Word] = {
    word.name: word
    for word in (
        Word(
            "is",
            gettext_lazy("Is"),
            gettext_lazy("what an account is"),
            ("is:banned", "is:unverified,bouncing", "-is:active"),
            meanings.facts(IS),
            {name: fact.label for name, fact in IS.items()},
        ),
        Word(
            "has",
            gettext_lazy("Has"),
            gettext_lazy("what an account has"),
            ("has:key", "-has:2fa", "has:note"),
            meanings.facts(HAS),
            {name: fact.label for name, fact in HAS.items()},
        ),
        Word(
            "tier",
            gettext_lazy("Tier"),
            gettext_lazy("the tier that holds now, 0 to 3"),
            ("tier:2,3", "tier:>0", "-tier:0"),
            meanings.tiers,
            {str(tier): gettext_lazy("tier") for tier in TIERS},
            opposite=meanings.other_tiers,
        ),
        Word(
            "credits",
            gettext_lazy("Credits"),
            gettext_lazy("the balance; a few seconds behind"),
            ("credits:<10", "credits:100..500", "credits:<0"),
            meanings.figures("statistics__balance"),
            opposite=meanings.other_figures("statistics__balance"),
        ),
        Word(
            "used",
            gettext_lazy("Used"),
            gettext_lazy("credits used since the beginning"),
            ("used:>1000", "used:0"),
            meanings.figures("statistics__used"),
            opposite=meanings.other_figures("statistics__used"),
        ),
        Word(
            "subscription",
            gettext_lazy("Subscription"),
            gettext_lazy("how the subscription stands"),
            ("subscription:ended", "subscription:active"),
            meanings.chosen(tuple(_STATES), subscription_condition),
            _STATES,
        ),
        Word(
            "months",
            gettext_lazy("Months"),
            gettext_lazy("months subscribed, in all"),
            ("months:>=12", "months:1..3"),
            meanings.either(meanings.months),
        ),
        Word(
            "expires",
            gettext_lazy("Expires"),
            _AHEAD,
            ("expires:7d", "expires:>3m", "expires:2026-12", "expires:never"),
            meanings.either(meanings.expires),
            {"never": gettext_lazy("has no end")},
        ),
        Word(
            "ended",
            gettext_lazy("Ended"),
            _SPAN,
            ("ended:7d", "ended:>1y"),
            meanings.either(meanings.ended),
        ),
        Word(
            "seen",
            gettext_lazy("Last seen"),
            _SPAN,
            ("seen:7d", "seen:>90d", "seen:never"),
            meanings.either(meanings.seen),
            {"never": gettext_lazy("was never seen")},
        ),
        Word(
            "joined",
            gettext_lazy("Joined"),
            _SPAN,
            ("joined:today", "joined:>30d", "joined:2026-01..2026-03"),
            meanings.either(meanings.joined),
        ),
        Word(
            "restricted",
            gettext_lazy("Restriction ends"),
            _AHEAD,
            ("restricted:7d", "restricted:today"),
            meanings.either(meanings.restricted),
        ),
        Word(
            "reason",
            gettext_lazy("Restricted for"),
            gettext_lazy("the reason code of a restriction that holds"),
            ("reason:spam", "-reason:spam,chargeback"),
            meanings.reasons,
        ),
        Word(
            "password",
            gettext_lazy("Password changed"),
            _SPAN,
            ("password:>1y", "password:never"),
            meanings.either(meanings.password),
            {"never": gettext_lazy("was never changed")},
            sees_logins,
        ),
        Word(
            "name",
            gettext_lazy("Username"),
            gettext_lazy("a part of the name; * for anything, = for exactly"),
            ("name:ana", "name:ana*", "name:=ana.silva"),
            meanings.either(meanings.name),
        ),
        Word(
            "email",
            gettext_lazy("Email"),
            gettext_lazy("a part of the address, @ and a domain, or none"),
            ("email:*@qq.com", "email:ana@example.com", "email:none"),
            meanings.either(meanings.address),
            {"none": gettext_lazy("has no address")},
        ),
        Word(
            "id",
            gettext_lazy("ID"),
            gettext_lazy("ids, or a range of them"),
            ("id:42,43", "id:1000..2000"),
            meanings.either(meanings.ids),
        ),
        Word(
            "country",
            gettext_lazy("Country"),
            gettext_lazy("two letters, or none"),
            ("country:CN,DE", "country:none"),
            meanings.countries,
            {"none": gettext_lazy("not known")},
        ),
        Word(
            "tag",
            gettext_lazy("Tag"),
            gettext_lazy("the name of a tag, or none"),
            ("tag:vip", 'tag:"needs a call"', "tag:none"),
            meanings.tags,
            {"none": gettext_lazy("no tag")},
        ),
        Word(
            "flag",
            gettext_lazy("Import flag"),
            gettext_lazy("a remark of the import"),
            ("flag:was_admin",),
            meanings.flags,
        ),
        Word(
            "role",
            gettext_lazy("Admin"),
            gettext_lazy("the staff role"),
            ("role:support", "-role:none"),
            meanings.chosen(roles.Role.values, lambda name, now: Q(role=name)),
            {role.value: role.label for role in roles.Role},
            sees_staff,
        ),
        Word(
            "ip",
            gettext_lazy("IP address"),
            gettext_lazy("an address or a network that a session came from"),
            ("ip:203.0.113.7", "ip:203.0.113.0/24"),
            meanings.either(meanings.ip),
            sight=sees_ips,
        ),
        Word(
            "key",
            gettext_lazy("API key"),
            gettext_lazy("how an API key begins"),
            ("key:sk-5f0c",),
            meanings.either(meanings.key),
        ),
    )
}
ALIASES = {
    "username": "name",
    "status": "is",
    "plan": "subscription",
    "last_seen": "seen",
    "expiry": "expires",
    "tags": "tag",
    "mail": "email",
}


def words_for(viewer: Reader) -> dict[str, Word]:
    """The words that this person may use."""
    return {name: word for name, word in WORDS.items() if word.sight(viewer)}


def values_for(word: Word, viewer: Reader) -> dict[str, str | Promise]:
    """The values of a word that this person may ask for."""
    known = {"is": IS, "has": HAS}.get(word.name, {})
    return {
        name: label
        for name, label in word.values.items()
        if name not in known or known[name].sight(viewer)
    }


def condition(term: Term, asked: Asked) -> Q:
    """What a term asks for. Raises QueryError."""
    if term.word:
        return _word(term, asked)
    found = meanings.text(term.items[0], asked)
    return ~found if term.negated else found


def _word(term: Term, asked: Asked) -> Q:
    name = ALIASES.get(term.word, term.word)
    word = WORDS.get(name)
    if word is not None and word.sight(asked.viewer):
        if term.negated:
            opposite = word.opposite
            return opposite(term.items, asked) if opposite else ~word.read(term.items, asked)
        return word.read(term.items, asked)
    if word is not None:
        raise term.wrong(_("Your role does not see this, so it cannot ask for it."))
    sentence = _("There is no word “%(word)s:”. To look for a text with a colon, put it in quotes.")
    meant = query.near(term.word, [*words_for(asked.viewer), *ALIASES])
    raise term.wrong(sentence % {"word": query.short(term.word)}, ALIASES.get(meant, meant))


def describe(term: Term, text: str) -> tuple[str, str]:
    """A term in words for a chip: what is asked for, and the value as it was written."""
    word = WORDS.get(ALIASES.get(term.word, term.word))
    start = term.items[0].start
    value = text[start : term.end]
    label = capfirst(str(word.label)) if word else _("Search")
    return (_("Not %(label)s") % {"label": label} if term.negated else label), value
