"""When a second person must approve an act: because of the permissions under which it is done, the
number of users, the amount, or a cap. The questions are data of the actor (``audit.people.Actor``);
the answer is the same for pages, the API, runs and undo."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.translation import gettext as _

from audit.people import Actor
from audit.procedures import Over, TargetReceipt
from coai_admin.console.templatetags.console import credits

RUN = "audit.run"  # the matrix's row of what is large; how large that is, is a setting


def why(
    actor: Actor, codes: Sequence[str], *, count: int, moved: Decimal, over: Over | None
) -> tuple[str, ...]:
    """Why ``actor`` cannot do this alone, a sentence for each reason; empty when they can.
    ``codes``: the permissions under which it is done, empty where nobody asked for any; ``count``:
    how many users it is done to; ``moved``: how many credits move, both ways added up;
    ``over``: which cap it goes over."""
    reasons = [
        _("Two people do this: %(what)s.") % {"what": what}
        for code in codes
        if code != RUN and (what := actor.approved_for(code))
    ]
    limits = actor.approval_limits
    if codes and limits is not None and actor.approved_for(RUN):
        if count > limits.users:
            reasons.append(_("More than %(n)s users.") % {"n": f"{limits.users:,}"})
        if moved > limits.credits:
            reasons.append(_("More than %(n)s credits in all.") % {"n": credits(limits.credits)})
    if over is not None:
        reasons.append(over.sentence)
    return tuple(reasons)


def moved(receipts: Sequence[TargetReceipt]) -> Decimal:
    """How much moves in all, both ways added up; of several amounts the largest."""
    sums: dict[str, Decimal] = {}
    for receipt in receipts:
        for name, change in receipt.moves:
            sums[name] = sums.get(name, Decimal(0)) + abs(change)
    return max(sums.values(), default=Decimal(0))
