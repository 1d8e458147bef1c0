"""The oddities an import can find, each with the sentence that explains it on the report page.

The first group is counted by the definitions that CoAI operators compare by; the rest is what other
deployments showed or could show. ``per_user``: the same word stands among the user's import flags,
so the user table can be filtered by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of oddity: what it is, and what the import did about it."""

    title: Promise
    sentence: Promise
    per_user: bool = True


KINDS: dict[str, Kind] = {
    "default_root_password": Kind(
        _("Root on the default password"),
        _(
            "The account root still had the password that CoAI ships with. Nobody can sign in with "
            "it here."
        ),
    ),
    "null_email": Kind(_("No email address"), _("These people have no address to write to.")),
    "username_case_collision": Kind(
        _("Usernames equal but for case"),
        _(
            "Groups of usernames that differ only in capital letters. The older account keeps the "
            "name; each later "
            "one is called name~id here and still signs in by its exact old name."
        ),
    ),
    "email_case_collision": Kind(
        _("Email addresses equal but for case"),
        _(
            "Groups of addresses that differ only in capital letters. The older account keeps the "
            "address."
        ),
    ),
    "shared_password_hash": Kind(
        _("Same password as somebody else"),
        _(
            "CoAI hashed without salt, so equal passwords show. These people chose one that "
            "another has too."
        ),
    ),
    "no_quota_row": Kind(
        _("No credit account"),
        _(
            "These people had no row of credits: their balance is 0 and they joined when the "
            "import ran."
        ),
    ),
    "negative_balance": Kind(
        _("Negative balance"),
        _(
            "CoAI charges after the answer, so balances fall below zero. Each got an overdraft "
            "limit that fits."
        ),
    ),
    "tier_without_expiry": Kind(
        _("Tier without an end"),
        _(
            "A tier was set but no date, so CoAI never honoured it. No subscription was made; "
            "decide each."
        ),
    ),
    "expiry_without_tier": Kind(
        _("End without a tier"), _("A date was set but no tier. No subscription was made.")
    ),
    "neither_tier_nor_expiry": Kind(
        _("Neither tier nor end"), _("An empty subscription. Only its months were taken over.")
    ),
    "negative_total_month": Kind(
        _("Negative months"),
        _("More months were taken away than ever bought. Taken over as they stood."),
    ),
    "orphan_row": Kind(
        _("Conversations of nobody"),
        _("Their user does not exist any more. They are quarantined, not dropped."),
        per_user=False,
    ),
    # What the import did
    "was_admin": Kind(
        _("Was an admin"),
        _("CoAI knows one all-powerful admin flag. Nobody holds a role here until you grant one."),
    ),
    "renamed": Kind(_("Renamed"), _("The name was taken; the account is called name~id here.")),
    "username_taken": Kind(
        _("Username taken here"), _("An account that was not imported already has this name.")
    ),
    "email_dropped": Kind(
        _("Email address given up"),
        _("An older account has it. The address stands in the legacy row only."),
    ),
    "email_taken": Kind(
        _("Email address taken here"),
        _("An account that was not imported already has this address."),
    ),
    "username_is_email": Kind(
        _("Username is another's email address"),
        _("CoAI accepts either at sign-in. Check that nobody signs in as somebody else."),
    ),
    "duplicate_username": Kind(
        _("Username twice"), _("The very same name on several accounts. The oldest keeps it.")
    ),
    "duplicate_email": Kind(
        _("Email address twice"),
        _("The very same address on several accounts. The oldest keeps it."),
    ),
    # Identity
    "no_username": Kind(_("No username"), _("Called user~id here.")),
    "odd_username": Kind(
        _("Unseen characters in the username"),
        _("Control characters show as � here; the exact old name still signs in."),
    ),
    "unreadable_username": Kind(
        _("Unreadable username"), _("Not valid text. What could not be read shows as �.")
    ),
    "long_username": Kind(_("Very long username"), _("Cut after 150 characters.")),
    "empty_email": Kind(_("Empty email address"), _("Taken as none.")),
    "invalid_email": Kind(
        _("Not an email address"),
        _("Nothing could be sent there. It stands in the legacy row only."),
    ),
    "unusable_password": Kind(
        _("No usable password"), _("Not a SHA-256. These people need a password link.")
    ),
    "unreadable_flag": Kind(
        _("Unreadable admin or ban flag"), _("Neither yes nor no; taken as no.")
    ),
    # Amounts and dates
    "negative_used": Kind(
        _("Negative used credits"),
        _("Nobody can have used less than nothing. Taken over as it stood."),
    ),
    "null_quota": Kind(_("Empty balance"), _("Taken as 0.")),
    "no_join_date": Kind(
        _("No date of joining"), _("They count as having joined when the import ran.")
    ),
    "zero_date": Kind(_("Zero date"), _("0000-00-00 is no date; taken as none.")),
    "bad_date": Kind(_("Unreadable date"), _("Taken as none; the text stands in the legacy row.")),
    "clock_gap": Kind(
        _("Hour that did not exist"),
        _("The clock was put forward over it; read as the hour after."),
    ),
    "clock_fold": Kind(
        _("Hour that came twice"),
        _("The clock was put back; beginnings are read as the first, ends as the second."),
    ),
    "unreadable_months": Kind(_("Unreadable months"), _("Not a number of months; taken as 0.")),
    "unknown_level": Kind(
        _("Unknown tier"), _("There are tiers 0 to 3 here. The subscription is kept, not applied.")
    ),
    # Rows that could not become anything
    "no_id": Kind(_("User without an id"), _("Quarantined."), per_user=False),
    "duplicate_id": Kind(
        _("Id given twice"), _("The first keeps it, the later is quarantined."), per_user=False
    ),
    "bad_amount": Kind(
        _("Unreadable amount"),
        _("Not a number that fits. The row is quarantined; the balance is 0."),
    ),
    "orphan_quota": Kind(
        _("Credits of nobody"), _("Their user does not exist. Quarantined."), per_user=False
    ),
    "orphan_subscription": Kind(
        _("Subscriptions of nobody"), _("Their user does not exist. Quarantined."), per_user=False
    ),
    "orphan_apikey": Kind(
        _("API keys of nobody"), _("Their user does not exist. Quarantined."), per_user=False
    ),
    "orphan_redis_usage": Kind(
        _("Usage of nobody"), _("Its user does not exist. Quarantined."), per_user=False
    ),
    "unreadable_usage": Kind(
        _("Unreadable usage counter"), _("Kept as it stands."), per_user=False
    ),
    "unknown_usage_item": Kind(
        _("Usage of something that no plan holds"),
        _("The counter is of a plan item that config.yaml does not have. Kept."),
        per_user=False,
    ),
    "second_quota_row": Kind(
        _("Second credit account"),
        _("One is taken, the later quarantined; its credits are not counted."),
    ),
    "second_subscription_row": Kind(
        _("Second subscription"), _("One is taken, the later quarantined.")
    ),
    "second_apikey_row": Kind(_("Second API key"), _("One is taken, the later quarantined.")),
    "unusable_key": Kind(_("Empty API key"), _("Quarantined.")),
    "shared_api_key": Kind(_("API key of two people"), _("The first keeps it.")),
    "key_taken": Kind(_("API key known here"), _("Another account here already has this key.")),
}

# What changed both at the source and here since the last import: the fact stayed as it is here.
CONFLICTS: dict[str, Promise] = {
    "username": _("Username changed there and here"),
    "email": _("Email address changed there and here"),
    "role": _("Role changed there and here"),
    "subscription": _("Subscription changed there and here"),
    "credits": _("Credits changed there, the account is closed here"),
}

REASONS: dict[str, Promise] = {
    "orphan": _("its user does not exist"),
    "no_id": _("it has no id"),
    "duplicate_id": _("another row has the same id"),
    "second_row": _("its user has another row"),
    "bad_amount": _("its amount is not a number that fits"),
    "no_key": _("it holds no key"),
    "same_key": _("another row holds the same key"),
    "unknown_level": _("its tier is unknown here"),
}


def kind(name: str) -> Kind:
    """The kind of that name; orphans of a table nobody foresaw get a sentence too."""
    if name in KINDS:
        return KINDS[name]
    return Kind(
        format_lazy(_("Rows of nobody: {table}"), table=name.removeprefix("orphan_")),
        _("Their user does not exist. Quarantined."),
        per_user=False,
    )
