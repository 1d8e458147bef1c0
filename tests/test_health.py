"""What a monitor asks."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_livez_answers_without_signing_in(client):
    assert client.get("/livez").json() == {"alive": True}


@pytest.mark.django_db
def test_readyz_is_200_when_all_answer(client):
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"database": True, "valkey": True})


@pytest.mark.django_db
def test_readyz_is_503_without_valkey(client, settings):
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    }
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (503, {"database": True, "valkey": False})


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_without_database(client):
    name = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        response = client.get("/readyz")
    finally:
        connection.close()
        connection.settings_dict["HOST"] = name
    assert (response.status_code, response.json()) == (503, {"database": False, "valkey": True})
