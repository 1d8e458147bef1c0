"""Password hashes of people who came from CoAI, which keeps ``hex(sha256(trim(password)))``: no
salt, no cost.

Such a hash is never stored as it came. At import it becomes an HMAC under a key of this server
(``ImportHasher``), so that the person can sign in at once; a background job wraps that in argon2
(``WrappedImportHasher``, by ``wrap``); at sign-in it is replaced by plain argon2. The key is
derived from SECRET_KEY and named in each hash: whoever loses SECRET_KEY loses these passwords, and
after a rotation the old one must stay in SECRET_KEY_FALLBACKS until nobody's hash names it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BasePasswordHasher,
    make_password,
    mask_hash,
)
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_noop as _

_SHA256_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LABEL = b"coai-admin: hashes of imported passwords, 1"
_ARGON2 = "argon2$argon2id$v=19$"  # left out of what is stored: the column holds 128 characters

# Go's strings.TrimSpace. Python's strip() takes U+001C to U+001F as well.
_GO_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # noqa: E501


def go_trim(text: str) -> str:
    """Cut white space at both ends as CoAI does before it hashes a password."""
    return text.strip(_GO_SPACE)


def from_coai(sha256_hex: str) -> str:
    """The hash to store for a password of CoAI's, given as it stands in CoAI's database.

    Raises ValueError for what is no SHA-256 in hexadecimal.
    """
    return ImportHasher().encode_digest(sha256_hex)


def wrap(encoded: str) -> str:
    """The same password in argon2, for a hash made by ``from_coai``. Takes as long as argon2
    takes.

    Whoever stores it must do so only where the old hash still stands: the person may have signed
    in meanwhile. Raises ValueError for any other hash.
    """
    algorithm, _separator, rest = encoded.partition("$")
    if algorithm != ImportHasher.algorithm:
        raise ValueError(f"Only {ImportHasher.algorithm} hashes are wrapped, not {algorithm}.")
    key_id, mac = rest.split("$")
    argon2 = Argon2PasswordHasher()
    inner = argon2.encode(mac, argon2.salt()).removeprefix(_ARGON2)
    return f"{WrappedImportHasher.algorithm}${key_id}${inner}"


def is_wrap_of(wrapped: str, encoded: str) -> bool | None:
    """Whether ``wrapped`` holds the password of ``encoded``, a hash made by ``from_coai``; None
    where they were made under different keys and cannot be compared. Takes as long as argon2
    takes."""
    key_name, inner = _unwrapped(wrapped)
    _algorithm, key_of_encoded, mac = encoded.split("$")
    return Argon2PasswordHasher().verify(mac, inner) if key_name == key_of_encoded else None


@cache
def _key(secret: str) -> tuple[str, bytes]:
    """Name and bytes of the key that belongs to a SECRET_KEY."""
    key = hmac.digest(secret.encode(), _LABEL, "sha256")
    return hashlib.sha256(_LABEL + key).hexdigest()[:8], key


def _key_named(name: str) -> bytes | None:
    known = dict(map(_key, (*settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY)))
    return known.get(name)


def _mac(key: bytes, sha256_hex: str) -> str:
    return hmac.new(key, sha256_hex.encode(), "sha256").hexdigest()


class ImportHasher(BasePasswordHasher):
    """``import_hmac$<key>$<mac>``: HMAC-SHA256 under the server's key over CoAI's hexadecimal
    hash."""

    algorithm = "import_hmac"

    def encode(self, password: str, salt: str) -> str:
        """Not for new passwords, but whole: Django asks every hasher to encode."""
        return self.encode_digest(hashlib.sha256(go_trim(password).encode()).hexdigest())

    def encode_digest(self, sha256_hex: str) -> str:
        digest = sha256_hex.strip().lower()
        if not _SHA256_HEX.fullmatch(digest):
            raise ValueError("Not a SHA-256 in hexadecimal.")
        name, key = _key(settings.SECRET_KEY)
        return f"{self.algorithm}${name}${_mac(key, digest)}"

    def verify(self, password: str, encoded: str) -> bool:
        decoded = self.decode(encoded)
        mac = mac_of(password, decoded["key"])
        matches = mac is not None and constant_time_compare(mac, decoded["hash"])
        if not matches:
            make_password(password)  # a wrong guess takes as long as against any other hash
        return matches

    def decode(self, encoded: str) -> dict[str, Any]:
        algorithm, key, mac = encoded.split("$")
        return {"algorithm": algorithm, "key": key, "hash": mac, "salt": ""}

    def safe_summary(self, encoded: str) -> Any:
        decoded = self.decode(encoded)
        return {_("algorithm"): decoded["algorithm"], _("hash"): mask_hash(decoded["hash"])}

    def must_update(self, encoded: str) -> bool:
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing: ``verify`` takes its time itself."""


class WrappedImportHasher(BasePasswordHasher):
    """``import_argon2$<key>$<cost>$<salt>$<hash>``: argon2id over the MAC of ``ImportHasher``."""

    algorithm = "import_argon2"

    def encode(self, password: str, salt: str) -> str:
        return wrap(ImportHasher().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        key_name, inner = _unwrapped(encoded)
        mac = mac_of(password, key_name)
        return Argon2PasswordHasher().verify(mac or "", inner) and mac is not None

    def decode(self, encoded: str) -> dict[str, Any]:
        key_name, inner = _unwrapped(encoded)
        return {
            **Argon2PasswordHasher().decode(inner),
            "algorithm": self.algorithm,
            "key": key_name,
        }

    def safe_summary(self, encoded: str) -> Any:
        _key_name, inner = _unwrapped(encoded)
        return {**Argon2PasswordHasher().safe_summary(inner), _("algorithm"): self.algorithm}

    def must_update(self, encoded: str) -> bool:
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Nothing: argon2 has run."""


def _unwrapped(encoded: str) -> tuple[str, str]:
    """The name of the key, and the argon2 hash as Django's hasher writes it."""
    _algorithm, key_name, inner = encoded.split("$", 2)
    return key_name, _ARGON2 + inner


def mac_of(password: str, key_name: str) -> str | None:
    """The MAC of a password as typed; None when the key of that name is known no more."""
    key = _key_named(key_name)
    if key is None:
        return None
    return _mac(key, hashlib.sha256(go_trim(password).encode()).hexdigest())
