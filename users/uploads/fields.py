"""What a column of an uploaded file may hold: our fields as data, and which of them a heading
means."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.people import Actor
from users.uploads import values
from users.uploads.reader.cells import Cell
from users.uploads.values import Manner

USERNAME, EMAIL, ID = "username", "email", "id"
BOTH, CREATE, UPDATE = "both", "create", "update"


@dataclass(frozen=True, slots=True)
class Field:
    """One of our fields. ``read`` takes a cell that is not empty to a JSON value, or raises Unfit.
    ``permission``: what doing the same by hand needs. ``headings``: how files call it, plain (see
    ``plain``)."""

    name: str
    label: str | Promise
    read: Callable[[Cell, Manner], Any]
    headings: tuple[str, ...]
    permission: str = ""


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field(
            USERNAME,
            _("Username"),
            values.username,
            ("username", "user", "name", "login", "account", "用户名", "账号", "帐号"),
        ),
        Field(
            EMAIL,
            _("Email"),
            values.email,
            ("email", "emailaddress", "mail", "address", "邮箱", "电子邮箱", "邮件"),
        ),
        Field(ID, _("ID"), values.user_id, ("id", "userid", "用户id")),
        Field(
            "country",
            _("Country"),
            values.country,
            ("country", "countrycode", "国家", "国家代码"),
        ),
        Field("locale", _("Language"), values.locale, ("locale", "language", "lang", "语言")),
        Field(
            "timezone",
            _("Time zone"),
            values.time_zone,
            ("timezone", "tz", "zone", "时区"),
        ),
        Field("tags", _("Tags to put on"), values.tags, ("tags", "tag", "标签"), "users.tag"),
        Field(
            "tier",
            _("Tier"),
            values.tier,
            ("tier", "level", "等级", "级别"),
            "subscriptions.set_tier",
        ),
        Field(
            "expires",
            _("Subscription ends"),
            values.expires,
            ("expires", "expiresutc", "expiry", "expiration", "ends", "endsat", "到期", "到期时间"),
            "subscriptions.set_expiry",
        ),
        # A column called “Credits” is the balance in our own exports: it is never taken for this.
        Field(
            "credits",
            _("Credits to add"),
            values.credits,
            ("creditstoadd", "addcredits", "grant", "creditgrant", "增加点数", "赠送点数"),
            "billing.adjust_credits",
        ),
        Field(
            "note", _("Note"), values.note, ("note", "notes", "remark", "备注"), "users.add_note"
        ),
    )
}
CREATING = "users.create"


def offered(actor: Actor) -> list[Field]:
    """The fields that ``actor`` could change by hand."""
    return [each for each in FIELDS.values() if not each.permission or actor.may(each.permission)]


def needed(columns: Mapping[str, int], mode: str) -> list[str]:
    """The permissions that doing the same by hand needs."""
    wanted = [FIELDS[name].permission for name in columns if FIELDS[name].permission]
    return wanted if mode == UPDATE else [CREATING, *wanted]


def plain(heading: str) -> str:
    """A heading without what people write differently: case, blanks, signs, width."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(filter(str.isalnum, text))


def guessed(headings: Sequence[str], actor: Actor) -> dict[str, int]:
    """Which columns (by place) hold which field, as far as their headings tell; of two alike the
    first."""
    known = {plain(str(field.label)): field.name for field in offered(actor)}
    known |= {name: field.name for field in offered(actor) for name in field.headings}
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        field = known.get(plain(heading))
        if field is not None:
            found.setdefault(field, place)
    return found
