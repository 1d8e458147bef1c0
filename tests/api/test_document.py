"""The document of the API: as it is written down, and complete."""

import pytest
import yaml
from django.conf import settings
from django.urls import get_resolver

from audit.registry import operations
from users.api.document import PATH, as_yaml, document
from users.checks import _views

pytestmark = pytest.mark.django_db


def test_written_document_is_the_one_that_the_code_makes():
    written = (settings.BASE_DIR / PATH).read_text()
    assert written == as_yaml(), "The API changed: bin/manage write_api_document writes it down."


def test_every_address_of_the_api_is_documented():
    routes = {
        route.replace("<int:", "{").replace("<uuid:", "{").replace("<str:", "{").replace(">", "}")
        for route, view in _views(get_resolver().url_patterns, "")
        if route.startswith("api/") and view.cls.__name__ != "Nothing"
    }
    paths = set(document()["paths"])
    for route in routes:
        each = operations() if "{code}" in route else [""]
        assert {f"/{route.replace('{code}', code)}" for code in each} <= paths


def test_every_answer_of_every_address_is_documented():
    for path, item in document()["paths"].items():
        for method, action in item.items():
            wanted = {"200", "400", "401", "403", "404", "405", "406", "429", "503"}
            if method == "post":
                wanted |= {"409", "413", "415"}
            assert set(action["responses"]) == wanted, path
            assert action["security"] == [{"serviceKey": []}, {"session": []}]


def test_money_needs_its_idempotency_key_in_the_document():
    action = document()["paths"]["/api/v1/operations/billing.adjust_credits/"]["post"]
    [key] = [one for one in action["parameters"] if one["name"] == "Idempotency-Key"]
    assert key["required"]
    schema = action["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["users", "delta", "reason"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("code", sorted(operations()))
def test_example_of_every_operation_has_the_right_shape(code):
    from users.api.bodies import mistakes

    action = document()["paths"][f"/api/v1/operations/{code}/"]["post"]
    content = action["requestBody"]["content"]["application/json"]
    assert list(mistakes(content["schema"], content["example"])) == []


def test_document_is_yaml_without_aliases():
    text = as_yaml()
    assert yaml.safe_load(text) == document()
    assert "&id0" not in text
