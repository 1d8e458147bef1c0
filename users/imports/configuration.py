"""Reading CoAI's config.yaml: plans, prices and the credits that new users get are kept as legacy
rows, to be promoted when their tables exist. Secrets in it (there are many) stay out, as
everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.utils.translation import gettext as _

from users.imports.rows import KEPT, Staged
from users.imports.secrecy import Keeper, as_json, fingerprint
from users.imports.tables import SourceUnreadable

TABLE = "config.yaml"
_LARGEST = 4 * 1024 * 1024


def read_configuration(path: Path) -> dict[str, Any]:
    """The sections of the file. Raises SourceUnreadable with the sentence that says why it cannot
    be read."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SourceUnreadable(
                _("%(path)s is too large to be CoAI's config.yaml.") % {"path": path}
            )
        found = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise SourceUnreadable(
            _("%(path)s cannot be read: %(error)s.") % {"path": path, "error": error.strerror}
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceUnreadable(_("%(path)s is no YAML file.") % {"path": path}) from error
    if not isinstance(found, Mapping):
        raise SourceUnreadable(_("%(path)s has no sections.") % {"path": path})
    return {str(name).lower(): value for name, value in found.items()}


def staged_configuration(sections: Mapping[str, Any], keeper: Keeper) -> list[Staged]:
    """One legacy row for each section."""
    rows = []
    for name, value in sorted(sections.items()):
        shown = as_json({name: keeper.tree(name, value)})
        rows.append(Staged(TABLE, name[:200], None, KEPT, shown, fingerprint(shown)))
    return rows


def summary(sections: Mapping[str, Any]) -> dict[str, Any]:
    """What the report says of it."""
    plans = _inside(sections, "subscription", "plans")
    charges = sections.get("charge")
    return {
        "sections": len(sections),
        "plans": len(plans) if isinstance(plans, list) else 0,
        "prices": len(charges) if isinstance(charges, list) else 0,
        "initial_credits": _plain(_inside(sections, "system", "site", "quota")),
    }


def plan_items(sections: Mapping[str, Any]) -> frozenset[str]:
    """The ids of what the plans hold; people's use is counted by them."""
    plans = _inside(sections, "subscription", "plans")
    held = [_inside(plan, "items") for plan in plans] if isinstance(plans, list) else []
    items = [item for some in held if isinstance(some, list) for item in some]
    return frozenset(str(_inside(item, "id")) for item in items)


def _inside(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _plain(value: Any) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
