"""The reasons for restricting an account, as data; editable afterwards."""

from django.db import migrations

# code, label, the sentence the user reads, usual days (None: permanent), appealable
CODES = [
    (
        "abuse_content",
        "Abusive content",
        "Content that our rules forbid was made with your account.",
        7,
        True,
    ),
    ("spam", "Spam", "Your account was used to send or generate spam.", 7, True),
    (
        "fraud_payment",
        "Payment fraud",
        "A payment on your account was reported as fraudulent.",
        None,
        True,
    ),
    ("chargeback", "Chargeback", "A payment of yours was charged back.", 30, True),
    (
        "credential_sharing",
        "Shared credentials",
        "Your API key or password is used by several parties.",
        7,
        True,
    ),
    ("api_abuse", "API abuse", "Your use of the API harms the service for others.", 3, True),
    ("quota_evasion", "Quota evasion", "Limits were evaded with your account.", 14, True),
    ("ban_evasion", "Ban evasion", "This account continues one that was banned.", None, True),
    (
        "compromised",
        "Compromised account",
        "We believe somebody else has access to your account.",
        7,
        False,
    ),
    ("sanctions", "Sanctions", "We are not allowed to serve this account.", None, True),
    ("underage", "Under age", "The account holder is below the age our rules ask for.", None, True),
    ("legal_order", "Legal order", "We were ordered to restrict this account.", None, False),
    (
        "tos_other",
        "Other breach of the terms",
        "Your use is against our terms of service.",
        7,
        True,
    ),
    (
        "imported",
        "Banned before the import",
        "Your account was banned on the previous system.",
        None,
        True,
    ),
]


def add_codes(apps, schema_editor):
    reason_code = apps.get_model("users", "ReasonCode")
    reason_code.objects.bulk_create(
        reason_code(
            code=code,
            label=label,
            public_text=text,
            default_days=days,
            appealable=appealable,
            position=place,
        )
        for place, (code, label, text, days, appealable) in enumerate(CODES)
    )


def remove_codes(apps, schema_editor):
    apps.get_model("users", "ReasonCode").objects.filter(
        code__in=[row[0] for row in CODES]
    ).delete()


class Migration(migrations.Migration):
    dependencies = [("users", "0001_initial")]

    operations = [migrations.RunPython(add_codes, remove_codes)]
