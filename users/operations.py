"""The operations on people, in the order of menus. Each subject has a module of its own."""

from __future__ import annotations

from users.email import operations as email_operations
from users.passwords import operations as password_operations
from users.profile import operations as profile_operations
from users.restrictions import operations as restriction_operations
from users.second_factor import operations as second_factor_operations
from users.sessions import operations as reauthentication_operations
from users.staff import operations as role_operations

OPERATIONS = (
    *restriction_operations.OPERATIONS,
    *profile_operations.OPERATIONS,
    *email_operations.OPERATIONS,
    *password_operations.OPERATIONS,
    *reauthentication_operations.OPERATIONS,
    *second_factor_operations.OPERATIONS,
    *role_operations.OPERATIONS,
    *profile_operations.LAST,
)
