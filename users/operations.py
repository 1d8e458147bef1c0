"""The operations on people, in the order of menus. Each subject has a module of its own."""

from __future__ import annotations

from users import restriction_operations

OPERATIONS = (*restriction_operations.OPERATIONS,)
