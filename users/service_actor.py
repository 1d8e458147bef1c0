"""A service key as an actor: what it may hold, and how far it reaches.

A key holds permissions of the role matrix, of which only some are open to keys:

* reading: ``READS``. Personal data stays masked, as it is for Support: whole addresses leave the
  console only through an export or a reveal, by a person who gives a reason;
* acting: the operations that the matrix gives a user admin with a plain ✔. What needs step-up or a
  second approver needs a person's password and second factor, and caps are counted by person; so
  neither is open to keys, whoever made them. Acting on several users at once is among these.

A key ranks 1: below every user admin, and equal to the lowest staff, on whom it therefore never
acts. In the audit log it stands with its name and number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import ClassVar

from audit.operations import Danger
from audit.people import CreditLimits
from audit.registry import operations
from subscriptions.models import ServiceKey
from users import roles
from users.roles import Role

READS = ("users.browse", "users.inspect", "audit.inspect")
RANK = 1
NO_CREDITS = CreditLimits(per_act=Decimal(0), per_day=Decimal(0))


@cache
def acts() -> tuple[str, ...]:
    """The operations that are open to keys."""
    return tuple(
        code
        for code, operation in operations().items()
        if operation.danger is Danger.PLAIN and roles.grant(Role.USER_ADMIN, code) == "✔"
    )


def scopes() -> Mapping[str, str]:
    """Every permission a key may hold, with what it covers, in the order of a form."""
    return {code: roles.ROWS[code].label for code in (*READS, *acts())}


@dataclass(frozen=True, slots=True)
class ServiceActor:
    """A service key that reads or acts. ``may`` is asked at each request: a permission that is no
    longer open to keys opens nothing, whatever the key was made with."""

    key: ServiceKey
    pk: None = None
    rank: int = RANK
    credit_limits: CreditLimits = NO_CREDITS
    approval_limits: None = None
    is_authenticated: ClassVar[bool] = True

    @property
    def username(self) -> str:
        """As the audit log names it."""
        return f"{self.key.name} (key #{self.key.pk})"

    def may(self, code: str) -> bool:
        return code in self.key.scopes and code in scopes()

    def approved_for(self, code: str) -> str:
        """Nothing: keys hold no permission that needs a second person."""
        return ""

    def sees_only_own(self, code: str) -> bool:
        return False

    def sees_masked(self, code: str) -> bool:
        return True
