"""What staff did: suspensions and their lifting, through the services; warnings and limits; and the
entries that reading and signing in leave."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from audit import record
from audit.people import SYSTEM
from users.demo.restricting import Deed, Lifting, Noted
from users.models import ReasonCode, Restriction, User
from users.profile import services as profile_services
from users.restrictions import services
from users.roles import Role

Staff = Mapping[Role, User]


def carry_out(deeds: Sequence[Deed], ids: Sequence[int], staff: Staff) -> None:
    """Do each at its moment. ``ids``: of the invented people, by their place in line."""
    public = dict(ReasonCode.objects.values_list("code", "public_text"))
    for deed in deeds:
        targets, actor = [ids[place] for place in deed.people], staff[Role(deed.by)]
        if isinstance(deed, Lifting):
            services.lift_restriction(
                targets, actor=actor, reason=deed.reason, ticket=deed.ticket, now=deed.at
            )
            continue
        services.suspend(
            targets,
            actor=actor,
            reason_code=deed.reason_code,
            ends_at=None if deed.days is None else deed.at + timedelta(days=deed.days),
            reason=deed.reason,
            public_text=public[deed.reason_code],
            ticket=deed.ticket,
            now=deed.at,
        )


def note(notes: Sequence[Noted], ids: Sequence[int], staff: Staff) -> None:
    """Warnings and limits, which have no operation yet, as rows."""
    issuer = staff[Role.USER_ADMIN]
    Restriction.objects.bulk_create(
        Restriction(
            user_id=ids[each.person],
            kind=each.kind,
            reason_id=each.reason_code,
            internal_note=each.internal_note,
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            issuer=issuer,
            lifted_at=each.lifted_at,
            lifted_by=issuer if each.lifted_at else None,
            lifted_reason="Kept to it since" if each.lifted_at else "",
        )
        for each in notes
    )


def daily_work(rng: random.Random, ids: Sequence[int], staff: Staff, *, now: datetime) -> None:
    """Sign-ins of the last two weeks, personal data that was revealed, exports."""
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
    for day in range(14, 0, -1):
        morning = (now - timedelta(days=day)).replace(hour=8, minute=rng.randint(0, 59))
        for role in (Role.USER_ADMIN, Role.SUPPORT):
            who = staff[role]
            record.entry(
                "account.sign_in", actor=who, now=morning, target=("user", who.pk, who.username)
            )
        if day % 3 == 0 and ids:
            target = rng.choice(ids)
            record.entry(
                "users.reveal",
                actor=staff[Role.USER_ADMIN],
                now=morning + timedelta(minutes=rng.randint(5, 200)),
                target=("user", target, names[target]),
                reason="Wrote to us from another address; compared the two",
                ticket=f"SUP-{rng.randint(1000, 9999)}",
            )
        if day % 7 == 0:
            record.entry(
                "exports.users",
                actor=staff[Role.USER_ADMIN],
                now=morning + timedelta(hours=3),
                changes={"rows": rng.randint(200, len(ids) + 200), "query": "tier=2,3"},
                reason="Newsletter to subscribers",
            )


_TAGS = (("vip", 14), ("reseller", 9), ("beta tester", 20), ("needs a call", 5))
_NOTES = (
    "Called about the invoice; paid the same day.",
    "Runs the chat of a university; peaks in October and March.",
    "Prefers to be written to, in Portuguese.",
    "Asked for a higher limit of images. Told about tier 3.",
    "Shares the account with a colleague; explained that each needs their own.",
    "Reported the slow answers of 3 May first. Thanked.",
)


def remember(rng: random.Random, ids: Sequence[int], staff: Staff, *, now: datetime) -> None:
    """Tags on some people, and notes about a few of them."""
    for days, (name, number) in enumerate(_TAGS, start=20):
        profile_services.tag(
            rng.sample(ids, min(number, len(ids))),
            actor=staff[Role.USER_ADMIN],
            add=[name],
            reason="Agreed in the weekly round",
            now=now - timedelta(days=days),
        )
    for days, text in enumerate(_NOTES, start=2):
        profile_services.add_note(
            rng.sample(ids, min(1, len(ids))),
            actor=staff[Role.SUPPORT],
            text=text,
            now=now - timedelta(days=days * 3),
        )


def sign(number: int, *, now: datetime) -> None:
    """Say in the audit log where all this comes from."""
    record.entry(
        "users.load_demo",
        actor=SYSTEM,
        now=now,
        changes={"users": number},
        reason="Demonstration data",
    )
