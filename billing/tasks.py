"""Jobs of the billing app. Each is a thin door to a function that any code can call."""

from __future__ import annotations

from django.utils.timezone import now

from billing import services
from coai_admin.console.jobs import job


@job(runs_as="system")
def copy_statistics() -> None:
    """Every few seconds: copy the balances that changed to where lists sort by them."""
    services.copy_statistics(now=now())
