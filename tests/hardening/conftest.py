"""A client of the real URLs and of some that misbehave."""

import pytest
from django.test import Client

from tests.hashing import HASHERS


@pytest.fixture(autouse=True)
def _quick_hashes(settings):
    settings.PASSWORD_HASHERS = HASHERS


@pytest.fixture
def client():
    """Shows 5xx pages as a browser sees them."""
    return Client(raise_request_exception=False)
