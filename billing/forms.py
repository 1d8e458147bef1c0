"""Forms of the operations on credits."""

from __future__ import annotations

from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from audit.forms import OperationForm
from coai_admin.console.fields import StrictDecimalField

MOST_AT_ONCE = Decimal(1_000_000)


class AdjustCreditsForm(OperationForm):
    """Parameters of ``billing.adjust_credits``."""

    delta = StrictDecimalField(
        label=_("Credits"),
        min_value=-MOST_AT_ONCE,
        max_value=MOST_AT_ONCE,
        help_text=_("To be added; with a minus, to be taken."),
    )


class SetCreditsForm(OperationForm):
    """Parameters of ``billing.set_credits``."""

    balance = StrictDecimalField(
        label=_("Balance"),
        min_value=Decimal(0),
        max_value=MOST_AT_ONCE,
        help_text=_("What the user holds afterwards. Refused if it moves before you confirm."),
    )
