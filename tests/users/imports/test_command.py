"""manage.py import_coai as a person runs it: its options, its sentences, its exit codes."""

import io
import json
import sqlite3

import pytest
from django.core.management import CommandError, call_command

from tests.users.imports.deployments import Deployment
from users.import_models import ImportRun
from users.imports.progress import Progress
from users.models import User

pytestmark = pytest.mark.django_db


def command(*arguments):
    out = io.StringIO()
    call_command("import_coai", *map(str, arguments), stdout=out)
    return out.getvalue()


def refused(*arguments):
    """The sentence; the exit code must say that nothing was written."""
    with pytest.raises(CommandError) as error:
        command(*arguments)
    assert error.value.returncode == 2
    assert not User.objects.exists()
    assert not ImportRun.objects.exists()
    return str(error.value)


def test_report_is_written_and_told(deployment, tmp_path, capsys):
    deployment.person(1, "ana", quota=5)
    report = tmp_path / "report.json"
    told = command("--sqlite", deployment.path, "--report", report)
    assert "1 new" in told
    assert json.loads(report.read_text())["sums"] == {"quota": "5.000000", "used": "0.000000"}
    assert "Importing people" in capsys.readouterr().err


def test_dry_run_writes_only_the_report(deployment, tmp_path):
    deployment.person(1, "ana", quota=5)
    report = tmp_path / "report.json"
    assert "Nothing was written" in command(
        "--sqlite", deployment.path, "--dry-run", "--report", report
    )
    assert json.loads(report.read_text())["people"]["new"] == 1
    assert not User.objects.exists()


def test_source_zone_and_instant(deployment, tmp_path):
    deployment.person(1, "ana")
    deployment.subscribe(1, 2, "2026-11-20 12:00:00")
    report = tmp_path / "report.json"
    options = ("--sqlite", deployment.path, "--source-tz", "America/New_York", "--report", report)
    command(*options, "--as-of", "2026-11-20 11:59:59")
    assert json.loads(report.read_text())["active_by_level"] == {"2": 1}
    ends_at = User.objects.get().standing.ends_at
    assert ends_at.isoformat() == "2026-11-20T17:00:00+00:00"


def test_map_admins(deployment):
    deployment.person(1, "ana", is_admin=1)
    command("--sqlite", deployment.path, "--map-admins", "super_admin")
    assert User.objects.get().role == "super_admin"


def test_file_that_is_not_there(tmp_path):
    assert "There is no file" in refused("--sqlite", tmp_path / "nothing.db")


def test_file_that_is_a_folder(tmp_path):
    assert "There is no file" in refused("--sqlite", tmp_path)


def test_file_that_is_no_database(tmp_path):
    path = tmp_path / "x.db"
    path.write_text("this is no database, but text that is long enough to look like something" * 20)
    assert "cannot be read as an SQLite database" in refused("--sqlite", path)


def test_file_that_is_truncated(deployment):
    for number in range(300):
        deployment.insert("conversation", user_id=number, data="x" * 500)
    size = deployment.path.stat().st_size
    with deployment.path.open("r+b") as file:
        file.truncate(size // 2)
    assert "cannot be read" in refused("--sqlite", deployment.path)


def test_database_of_something_else(tmp_path):
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE users (id INT)")
    database.close()
    assert "is no CoAI database: it has no table “auth”" in refused("--sqlite", path)


def test_database_without_credits(tmp_path):
    deployment = Deployment(tmp_path / "x.db", quota=None)
    assert "it has no table “quota”" in refused("--sqlite", deployment.path)


def test_database_without_passwords(tmp_path):
    deployment = Deployment(tmp_path / "x.db", auth="id INT, username TEXT")
    assert "has no column “password”" in refused("--sqlite", deployment.path)


def test_server_that_is_not_there():
    sentence = refused("--mysql", "mysql://coai:s3cr3t@127.0.0.1:1/chatnio")
    assert "cannot be reached" in sentence
    assert "s3cr3t" not in sentence


def test_zone_that_does_not_exist(deployment):
    for zone in ("Mars/Olympus", "", "../etc/passwd", "Asia"):
        sentence = refused("--sqlite", deployment.path, "--source-tz", zone)
        assert "There is no time zone" in sentence


def test_instant_that_is_none(deployment):
    assert "--as-of takes" in refused("--sqlite", deployment.path, "--as-of", "yesterday")


@pytest.mark.parametrize(
    "contents", ["a: [", "just words", "- a\n- b", "\x00", "!!python/object:x {}"]
)
def test_configuration_that_is_none(deployment, tmp_path, contents):
    config = tmp_path / "config.yaml"
    config.write_text(contents)
    refused("--sqlite", deployment.path, "--config", config)


def test_configuration_that_is_not_there(deployment, tmp_path):
    assert "cannot be read" in refused(
        "--sqlite", deployment.path, "--config", tmp_path / "no.yaml"
    )


def test_report_that_cannot_be_written(deployment, tmp_path):
    target = tmp_path / "no" / "report.json"
    assert "There is no folder" in refused("--sqlite", deployment.path, "--report", target)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--sqlite", "a", "--mysql", "b"),
        ("--sqlite", "a", "--map-admins", "none"),
        ("--unknown",),
    ],
)
def test_options_that_make_no_sense(arguments):
    with pytest.raises(CommandError):
        command(*arguments)


def test_file_in_a_folder_that_cannot_be_written_to(deployment):
    deployment.person(1, "ana")
    deployment.path.chmod(0o444)
    deployment.path.parent.chmod(0o555)
    try:
        command("--sqlite", deployment.path)
    finally:
        deployment.path.parent.chmod(0o755)
    assert User.objects.count() == 1


def test_file_that_coai_is_writing_to_with_a_write_ahead_log(deployment):
    writer = sqlite3.connect(deployment.path)
    writer.execute("PRAGMA journal_mode = WAL")
    with writer:
        writer.execute("INSERT INTO auth (id, username, password) VALUES (1, 'ana', 'x')")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO auth (id, username, password) VALUES (2, 'not yet', 'x')")
    command("--sqlite", deployment.path)
    writer.rollback()
    writer.close()
    assert list(User.objects.values_list("username", flat=True)) == ["ana"]


def test_progress_on_a_terminal_is_a_bar_with_its_rate():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = Progress(stream)
    progress.begin("Reading auth", 200)
    progress._began -= 2
    progress._told -= 1
    progress.reach(100)
    progress.end()
    shown = stream.getvalue().split("\r")
    assert "░" * 28 in shown[0]
    assert "█" * 14 + "░" * 14 in shown[1]
    assert "100 of 200" in shown[1]
    assert "/s" in shown[1]


def test_command_that_is_interrupted_says_how_to_go_on(deployment, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("users.imports.running.Keeping.rest", interrupt)
    deployment.person(1, "ana")
    with pytest.raises(CommandError, match="Start the same command again") as error:
        command("--sqlite", deployment.path)
    assert error.value.returncode == 130
    monkeypatch.undo()
    assert "1 as before" in command("--sqlite", deployment.path)
