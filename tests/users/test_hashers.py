"""Hashes of imported passwords."""

import hashlib

import pytest
from django.contrib.auth.hashers import check_password, identify_hasher, verify_password

from tests.hashing import coai_hash
from users.models import User
from users.passwords.hashers import ImportHasher, from_coai, go_trim, wrap

SECRET = "s3cret of a customer"


@pytest.fixture(autouse=True)
def _hashers(quick_hashes):
    pass


@pytest.mark.parametrize(
    ("typed", "trimmed"),
    [
        ("  a b\t\r\n", "a b"),
        ("\u00a0a\u3000", "a"),
        ("\u0085\u2028a\u2029", "a"),
        ("\x1ca\x1f", "\x1ca\x1f"),  # Python's strip() would take these
        ("\u200ba\ufeff", "\u200ba\ufeff"),  # no spaces to Go, nor to Python
    ],
)
def test_go_trim_cuts_what_go_cuts(typed, trimmed):
    assert go_trim(typed) == trimmed


def test_import_hash_accepts_the_password_and_no_other():
    encoded = from_coai(coai_hash(SECRET))
    assert check_password(SECRET, encoded)
    assert check_password(f"  {SECRET}\n", encoded)
    assert not check_password(f"{SECRET}!", encoded)
    assert not check_password(f"\x1c{SECRET}", encoded)
    assert not check_password(coai_hash(SECRET), encoded)


def test_import_hash_does_not_hold_what_coai_kept():
    digest = coai_hash(SECRET)
    encoded = from_coai(digest)
    assert digest not in encoded
    assert identify_hasher(encoded).algorithm == "import_hmac"
    assert digest not in wrap(encoded)


@pytest.mark.parametrize("wrong", ["", "root", "zz" * 32, "ab" * 31, "ab" * 33, "é" * 64])
def test_from_coai_refuses_what_is_no_sha256(wrong):
    with pytest.raises(ValueError, match="Not a SHA-256"):
        from_coai(wrong)


def test_from_coai_takes_upper_case():
    assert check_password(SECRET, from_coai(coai_hash(SECRET).upper()))


def test_wrapped_hash_accepts_the_password_and_no_other():
    encoded = wrap(from_coai(coai_hash(SECRET)))
    assert encoded.startswith("import_argon2$")
    assert len(encoded) <= User._meta.get_field("password").max_length
    assert check_password(SECRET, encoded)
    assert check_password(f"\t{SECRET} ", encoded)
    assert not check_password("something else", encoded)


def test_wrap_refuses_other_hashes():
    wrapped = wrap(from_coai(coai_hash(SECRET)))
    for encoded in (wrapped, "argon2$argon2id$v=19$x", "!unusable", ""):
        with pytest.raises(ValueError, match="Only import_hmac"):
            wrap(encoded)


@pytest.mark.parametrize("stage", [lambda encoded: encoded, wrap], ids=["import", "wrapped"])
def test_imported_hash_wants_to_be_replaced(stage):
    assert verify_password(SECRET, stage(from_coai(coai_hash(SECRET)))) == (True, True)


@pytest.mark.parametrize("stage", [lambda encoded: encoded, wrap], ids=["import", "wrapped"])
def test_imported_hash_after_a_rotation_of_the_secret_key(settings, stage):
    encoded = stage(from_coai(coai_hash(SECRET)))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key " * 4
    assert not check_password(SECRET, encoded)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert check_password(SECRET, encoded)
    assert not check_password("something else", encoded)


def test_import_hash_depends_on_the_secret_key(settings):
    first = from_coai(coai_hash(SECRET))
    settings.SECRET_KEY = "another secret key " * 4
    assert from_coai(coai_hash(SECRET)) != first


def test_wrong_guess_against_an_import_hash_costs_an_argon2(quick_hashes):
    encoded = from_coai(coai_hash(SECRET))
    quick_hashes.computed = 0
    check_password("a wrong guess", encoded)
    assert quick_hashes.computed == 1


def test_import_hasher_can_be_described_and_encodes():
    encoded = ImportHasher().encode(SECRET, "")
    assert check_password(SECRET, encoded)
    assert hashlib.sha256(SECRET.encode()).hexdigest() not in encoded
    assert SECRET not in str(ImportHasher().safe_summary(encoded))
