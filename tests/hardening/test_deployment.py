"""The settings of production."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def manage(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
        env={**os.environ, **environment},
        check=False,
    )


def test_deployment_check_is_clean_in_production(tmp_path):
    result = manage(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        COAI_MODE="production",
        SECRET_KEY="4dD7v_Hn2kQw8Zr5sX1cB6yL9mT3pF0aGjUeKiOoVbNxRhWqYz",
        ALLOWED_HOSTS="admin.example.org",
        SITE_URL="https://admin.example.org",
        TRUSTED_PROXIES="10.0.0.7,10.1.0.0/16",
        COAI_HOME=str(tmp_path),
    )
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout + result.stderr


@pytest.mark.parametrize("wrong", ["10.0.0.300", "10.0.0.0/99", "a.example", "10.0.0.1;10.0.0.2"])
def test_wrong_trusted_proxies_are_refused_with_a_sentence(wrong):
    result = manage("check", TRUSTED_PROXIES=wrong)
    assert result.returncode
    assert "TRUSTED_PROXIES" in result.stderr
    assert "Write addresses or networks" in result.stderr
