"""What stands in the audit log besides operations: sign-ins, reads of personal data, imports,
commands. An app declares its own as ``ACTIONS`` and lists it in settings, so that filters know
every word there is."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """What sort of thing was done; the coarse filter of the audit page."""

    CHANGE = "change", _("changes")
    READ = "read", _("reads of personal data")
    ACCESS = "access", _("sign-ins and passwords")
    SYSTEM = "system", _("imports and commands")


@dataclass(frozen=True, slots=True)
class Action:
    """One word of the audit log: its code, what people read, its icon."""

    code: str
    label: str | Promise
    kind: Kind
    icon: str = "audit"
