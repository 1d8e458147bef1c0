"""The settings of the API: what the REST framework and the maker of its document read."""

from typing import Any

# Its views derive from users.api.base.ApiView; one that did not would be closed.
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_SCHEMA_CLASS": "users.api.document.ApiSchema",
    "EXCEPTION_HANDLER": "users.api.problems.handle",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "CoAI Admin",
    "DESCRIPTION": "Users, what is done to them, and the record of it. Guide: docs/api.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": [],
    "POSTPROCESSING_HOOKS": ["users.api.document.finish"],
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
}
API_REQUESTS_PER_MINUTE = 1_200  # of one key, or one person
API_FAILURES_PER_MINUTE = 30  # wrong keys from one address
