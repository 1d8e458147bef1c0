"""The user table: the one ``Listing`` that page, fragments, exports, selections and the REST list
of users read."""

from __future__ import annotations

from coai_admin.console.listing import Listing
from users.models import User
from users.table.columns import COLUMNS
from users.table.filters import UserFilters
from users.table.rows import UserRow, user_rows

USERS: Listing[UserRow] = Listing(
    name="users",
    rows=lambda viewer, now: User.objects.all(),
    columns=COLUMNS,
    default="-joined",
    filters=UserFilters,
    facts=user_rows,
    extra=frozenset({"selection", "view"}),
    choosable=True,
)
