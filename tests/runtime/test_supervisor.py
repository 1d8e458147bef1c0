import os
import pwd
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from tests.runtime.consoles import (
    CHECKOUT,
    Console,
    copy_of_checkout,
    descendants,
    free_port,
    is_alive,
    wait_until,
)

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("supervisor")]
ROOT = os.geteuid() == 0
PASSWORD = "a long walk along the river"


@pytest.fixture(
    scope="module", params=["root", "nobody"] if ROOT else [pwd.getpwuid(os.geteuid()).pw_name]
)
def console(request):
    """Root and the developer run in this checkout; nobody installs a copy first. HOME is empty."""
    folder = Path(tempfile.mkdtemp(prefix="coai-system-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "empty").mkdir()
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "empty"),
        "PORT": str(port),
        "COAI_ADMIN_PASSWORD": PASSWORD,
    }
    made = Console(CHECKOUT, env, folder / "home", None, port)
    if request.param == "nobody":
        made.checkout, made.account = folder / "checkout", "nobody"
        made.home = made.checkout / ".coai"
        env["PATH"] = "/usr/bin:/bin"  # root's python3 may be where others cannot read
        copy_of_checkout(made.checkout, "nobody")
        shutil.chown(folder / "empty", "nobody")
    else:
        env["COAI_HOME"] = str(made.home)
    yield made
    if made.process:
        made.kill(made.process.pid, signal.SIGTERM)
    shutil.rmtree(folder)


def test_start_in_a_clean_checkout_answers(console):
    console.ensure_running()
    assert f"http://127.0.0.1:{console.port}/admin/" in console.output
    assert "Sign in as admin, with the password in COAI_ADMIN_PASSWORD." in console.output
    assert console.answer() is not None
    for name, mode in {"secret_key": 0o600, "runtime.env": 0o600}.items():
        assert (console.home / name).stat().st_mode & 0o777 == mode


def test_admin_password_of_the_environment_signs_in_and_reaches_no_service(console):
    console.ensure_running()
    script = (
        "from users.models import User; admin = User.objects.get(username='admin'); "
        f"print(admin.role, admin.check_password({PASSWORD!r}))"
    )
    found = console.command("manage", "shell", "-v0", "-c", script)
    assert found.stdout == "super_admin True\n", found.stderr
    for pid in descendants(console.process.pid):
        assert PASSWORD.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_second_start_while_one_runs_says_where(console):
    console.ensure_running()
    second = console.command("start", PORT=str(free_port()))
    assert second.returncode == 1
    assert (
        f"One is running in this checkout: http://127.0.0.1:{console.port}/admin/" in second.stderr
    )
    assert console.answer() is not None


def test_manage_while_one_runs_uses_its_database(console):
    console.ensure_running()
    with console.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written_before (word text)")
        connection.execute("INSERT INTO written_before VALUES ('here')")
    script = (
        "from django.db import connection as c; "
        "print('written_before' in c.introspection.table_names())"
    )
    found = console.command("manage", "shell", "-v0", "-c", script)
    assert found.stdout == "True\n", found.stderr


def test_kill_9_of_supervisor_leaves_no_process(console):
    console.ensure_running()
    family, _code = console.kill(console.process.pid)
    assert len(family) > 8
    wait_until(lambda: not any(map(is_alive, family)), "all processes are gone", patience=20)
    assert console.answer() is None


def test_kill_9_of_postgres_is_said_and_next_start_has_the_data(console):
    console.ensure_running()
    with console.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written_while (word text)")
        connection.execute("INSERT INTO written_while VALUES ('committed')")
    family, code = console.kill(console.postmaster())
    assert code == 1
    assert "PostgreSQL ended by SIGKILL: stopping everything" in console.output
    wait_until(lambda: not any(map(is_alive, family)), "all processes are gone", patience=20)
    console.ensure_running()
    with console.connect() as connection:
        assert connection.execute("SELECT word FROM written_while").fetchone() == ("committed",)


def test_ctrl_c_stops_everything_in_order(console):
    console.ensure_running()
    family, code = console.kill(console.process.pid, signal.SIGINT)
    assert code == 0
    assert not any(map(is_alive, family))
    assert not (console.home / "runtime.env").exists()
    logs = {
        name: (console.home / "log" / f"{name}.log").read_text() for name in ("postgres", "valkey")
    }
    assert logs["postgres"].rstrip().endswith("database system is shut down")
    assert "bye bye" in logs["valkey"].splitlines()[-1]


def test_manage_while_nothing_runs_starts_and_stops_servers(console):
    if console.process:
        console.kill(console.process.pid, signal.SIGINT)
    done = console.command("manage", "showmigrations", "users")
    assert "[X] 0001" in done.stdout, done.stderr
    assert not (console.home / "runtime.env").exists()
    assert not (console.home / "postgres" / "postmaster.pid").exists()


def test_manage_as_the_first_command_finds_the_tables(console):
    fresh = {"COAI_HOME": str(console.home.parent / "first")}
    done = console.command("manage", "reconcile", **fresh)
    assert done.returncode == 0, done.stderr
    assert "Everything agrees." in done.stdout
    assert "Making the tables" in done.stderr
    assert "Making the tables" not in console.command("manage", "reconcile", **fresh).stderr


def test_start_on_a_busy_port_is_refused_with_a_sentence(console):
    if console.process:
        console.kill(console.process.pid, signal.SIGINT)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        busy = other.getsockname()[1]
        refused = console.command("start", PORT=str(busy))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"127.0.0.1:{busy} cannot be used: Address already in use.")
    assert not (console.home / "postgres" / "postmaster.pid").exists()


def test_start_with_a_wrong_port_is_refused_with_a_sentence(console):
    if console.process:
        console.kill(console.process.pid, signal.SIGINT)
    assert "PORT is 'http'" in console.command("start", PORT="http").stderr


def test_start_with_an_unreachable_database_is_refused_with_a_sentence(console):
    if console.process:
        console.kill(console.process.pid, signal.SIGINT)
    refused = console.command("start", DATABASE_URL="postgresql://coai@127.0.0.1:1/coai")
    assert refused.returncode == 1
    assert refused.stderr.startswith("DATABASE_URL leads nowhere:")
