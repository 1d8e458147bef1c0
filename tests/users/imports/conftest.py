"""Deployments to import: small ones made here, and the sample that lies beside the checkout."""

import json
import os
from pathlib import Path

import pytest

from tests.users.imports import mariadb
from tests.users.imports.deployments import Deployment

_SAMPLE = Path(__file__).resolve().parents[4] / "shared" / "coai"


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path / "chatnio.db")


@pytest.fixture(scope="session")
def sample():
    """The folder of the sample deployment: chatnio.db, chatnio.mysql.sql.gz, truth.json."""
    if not (_SAMPLE / "truth.json").exists():
        outcome = pytest.fail if os.environ.get("COAI_CI") else pytest.skip
        outcome(f"The sample deployment is not beside this checkout: {_SAMPLE}")
    return _SAMPLE


@pytest.fixture(scope="session")
def truth(sample):
    return json.loads((sample / "truth.json").read_text())


@pytest.fixture(scope="session")
def mariadb_server():
    with mariadb.running() as server:
        yield server
