import hashlib
import json
import time

import pytest

from users.imports.secrecy import Keeper, as_json, names_a_secret, shaped_like_a_secret

HASH = hashlib.sha256(b"password").hexdigest()
API_KEY = "sk-" + "a1b2c3d4" * 8
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VybmFtZSI6InJvb3QifQ.c2lnbmF0dXJlMTIzNDU2"
BCRYPT = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
keeper = Keeper(b"a key of this server")


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Password",
        "user_pwd",
        "passHash",
        "token",
        "access_token",
        "apiKey",
        "api_key",
        "secret",
        "client_secret",
        "totp_secret",
        "salt",
        "session_id",
        "jwt",
        "private_key",
        "secretKey",
        "openai_key",
        "credentials",
        "pin",
    ],
)
def test_names_that_tell_of_a_secret(name):
    assert names_a_secret(name)


@pytest.mark.parametrize(
    "name",
    ["username", "email", "quota", "key", "model", "monkey", "passenger", "compass", "tokenizer"],
)
def test_names_that_do_not(name):
    assert not names_a_secret(name)


@pytest.mark.parametrize(
    "value", [HASH, HASH.upper(), API_KEY, JWT, BCRYPT, "x" * 3 + "9" * 3 + "k3y" * 8]
)
def test_shapes_of_secrets(value):
    assert shaped_like_a_secret(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "gpt-4-turbo-preview-2024-04-09-long",
        "2024-03-01 08:00:00",
        "https://example.org/a/b/c/d/e",
        "6f1b7f0e-1c1b-4b7e-9f0a-0d8f0c2f2b11",
        "a sentence of several words that is long",
        "小明" * 20,
    ],
)
def test_shapes_of_other_things(value):
    assert not shaped_like_a_secret(value)


def test_row_keeps_what_is_no_secret():
    row = {"id": 7, "name": "Bob", "amount": 1.5, "gone": None, "at": "2024-03-01 08:00:00"}
    assert keeper.row("orders", row) == row


def test_row_digests_secrets_and_keeps_nothing_of_passwords():
    row = keeper.row("auth", {"id": 1, "token": "t0ken", "password": HASH})
    assert row["id"] == 1
    assert row["password"] == {"digest": None}
    assert set(row["token"]) == {"digest"}
    assert row["token"] == keeper.row("auth", {"token": "t0ken"})["token"]
    assert row["token"] != Keeper(b"another").row("auth", {"token": "t0ken"})["token"]


@pytest.mark.parametrize(
    "cells",
    [
        {"note": f"his key is {API_KEY}, keep it"},
        {"data": json.dumps({"headers": {"Authorization": f"Bearer {API_KEY}"}})},
        {"data": json.dumps({"password": "hunter2hunter2"})},
        {"data": f"hash={HASH};"},
        {"value": "hunter2hunter2", "key": "smtp_password"},
        {"content": JWT},
        {"blob": API_KEY.encode()},
        {"dsn": "mysql://root:hunter2hunter2@db:3306/chatnio"},
        {"code": "hunter2hunter2"},
        {"api_key": "hunter2hunter2"},
        {"password": 12345678},
        {"x": BCRYPT},
    ],
)
def test_no_secret_stands_in_what_is_kept(cells):
    shown = as_json(keeper.row("redeem", cells))
    for secret in (API_KEY, HASH, JWT, BCRYPT, "hunter2hunter2", "12345678"):
        assert secret not in shown


def test_numbers_about_secrets_are_kept():
    row = {
        "token_count": 12,
        "max_tokens": "4096",
        "prompt_tokens": 5,
        "password_changed_at": "2024-01-01",
    }
    assert keeper.row("log", row) == row


def test_text_that_postgresql_cannot_hold_is_kept_as_bytes():
    row = keeper.row("t", {"a": "x\x00y", "b": "\udcff", "c": b"\x00\xff"})
    assert row == {"a": {"base64": "eAB5"}, "b": {"base64": "/w=="}, "c": {"base64": "AP8="}}


def test_numbers_that_json_lacks_are_kept_as_text():
    row = keeper.row("t", {"a": float("nan"), "b": float("-inf"), "c": 2**80})
    assert as_json(row) == '{"a":"nan","b":"-inf","c":1208925819614629174706176}'


def test_tree_finds_secrets_however_deep():
    tree = keeper.tree(
        "", {"mysql": {"password": "hunter2"}, "list": [{"secret": "abc"}], "port": 8000}
    )
    assert tree == {
        "mysql": {"password": {"digest": None}},
        "list": [{"secret": {"digest": keeper.digest("abc")}}],
        "port": 8000,
    }


@pytest.mark.parametrize(
    "text",
    [
        "A" * 2_000_000,
        "eyJ" * 500_000,
        "password" * 200_000,
        "://" * 500_000,
        "-----BEGIN PRIVATE KEY-----" * 20_000,
        "sk-" * 500_000,
        "a:" * 500_000,
        "token=" * 200_000,
        "\\\\" * 500_000 + "token",
    ],
)
def test_long_text_costs_its_length_not_its_square(text):
    began = time.process_time()
    keeper.row("conversation", {"data": text})
    assert time.process_time() - began < 5


def test_long_text_is_no_key():
    picture = "iVBORw0KGgo123" * 1_000
    assert keeper.row("mask", {"avatar": picture}) == {"avatar": picture}
