"""The operations on people, in the order of menus. Each subject has a module of its own."""

from __future__ import annotations

from users import (
    email_operations,
    password_operations,
    profile_operations,
    reauthentication_operations,
    restriction_operations,
    role_operations,
    second_factor_operations,
)

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
