"""COAI_ADMIN_PASSWORD: bin/start gives the account ``admin`` that password, once."""

import hashlib
import hmac
import os

from coai_admin.runtime.home import Home


def has_password(place: Home, password: str) -> bool:
    """Whether ``mark`` was called for it, so that Django need not be started for it again.

    A password changed in the console is thus not set back at the next start.
    """
    return hmac.compare_digest(place.note("admin"), _digest(place, password))


def mark(place: Home, password: str) -> None:
    """Remember that the account has this password now."""
    place.write_note("admin", _digest(place, password))


def _digest(place: Home, password: str) -> str:
    """Slow to guess from, and worth nothing for another home or another database."""
    salt = place.secret_key() + os.environ.get("DATABASE_URL", "")
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()
