"""A cheap argon2 that counts, so that a test can say whether a password was hashed at all."""

from functools import cache

from django.contrib.auth.hashers import Argon2PasswordHasher

from users.passwords.hashers import go_trim

PASSWORD = "correct horse battery staple"


class CountedArgon2(Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 1, 64, 1
    computed = 0

    def encode(self, password, salt):
        type(self).computed += 1
        return super().encode(password, salt)

    def verify(self, password, encoded):
        type(self).computed += 1
        return super().verify(password, encoded)


HASHERS = [
    "tests.hashing.CountedArgon2",
    "users.passwords.hashers.WrappedImportHasher",
    "users.passwords.hashers.ImportHasher",
]


@cache
def hash_of(password=PASSWORD):
    return CountedArgon2().encode(password, "salt-of-16-bytes-and-more")


def coai_hash(password):
    """What CoAI's database holds for a password."""
    import hashlib

    return hashlib.sha256(go_trim(password).encode()).hexdigest()
