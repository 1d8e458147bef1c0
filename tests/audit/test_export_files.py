"""Files that are written in the background: by one worker at a time, whole or not at all, whatever
is killed or full, and gone when their days are over."""

import csv
import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.models import Func, TextField, Value
from django.http import QueryDict
from django.utils.timezone import now as time_now
from openpyxl import load_workbook

from audit import export_files, export_writing
from audit.export_files import LEASE, LIFE
from audit.models import AuditEntry, ExportFile
from audit.tasks import expire_exports, write_exports
from coai_admin.console import exports as files
from coai_admin.console.columns import Kind
from coai_admin.console.exports import BrokenOff
from tests.factories import make_staff, make_users
from users.exporting import writing
from users.roles import Role
from users.table import USERS

pytestmark = pytest.mark.django_db(transaction=True)

State = ExportFile.State
WORKER = """import time, django
django.setup()
from audit import tasks
from coai_admin.console import exports
exports._BLOCK = 2_000
csv = exports.csv
def slowly(*args, **kwargs):
    for block in csv(*args, **kwargs):
        yield block
        print("block", flush=True)
        time.sleep(0.05)
exports.csv = slowly
tasks.write_exports()
"""


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.EXPORTS = tmp_path / "exports"
    return settings.EXPORTS


@pytest.fixture
def maker():
    return make_staff(Role.SUPER_ADMIN)


def ask(maker, query="", file_type=files.CSV, **options):
    reading = USERS.read(QueryDict(query), viewer=maker, now=time_now())
    wanted = {"whole": False, "reason": "", "shown": False} | options
    return writing.ask(reading, file_type=file_type, **wanted)


def written(file):
    """The row after a worker looked for work."""
    write_exports()
    file.refresh_from_db()
    return file


def lines(file):
    text = export_files.path_of(file).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_file_is_whole_with_its_checksum_and_for_its_owner_alone(maker, folder):
    ids = make_users(30)
    before = time_now()
    file = written(ask(maker, "username=many&sort=id"))
    assert (file.state, file.rows_done, file.rows_total) == (State.READY, 30, 30)
    assert [int(line["ID"]) for line in lines(file)] == ids
    assert {line["Export"] for line in lines(file)} == {str(file.pk)}
    content = export_files.path_of(file).read_bytes()
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.bytes == len(content)
    assert before + LIFE <= file.expires_at <= time_now() + LIFE
    assert [path.name for path in folder.iterdir()] == [f"{file.pk}.csv"]
    assert export_files.path_of(file).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_workbook_is_marked_and_leaves_nothing_beside_it(maker, folder):
    make_users(5)
    file = written(ask(maker, "username=many", files.XLSX))
    book = load_workbook(export_files.path_of(file))
    assert book.active.max_row == 6
    assert book.properties.description == str(file.pk)
    assert book.custom_doc_props["Export"].value == str(file.pk)
    assert str(file.pk) in book.active.oddFooter.left.text
    assert [path.name for path in folder.iterdir()] == [f"{file.pk}.xlsx"]


@pytest.mark.parametrize("file_type", [files.CSV, files.XLSX])
def test_file_is_the_same_as_the_download(maker, file_type):
    """One reading, one set of columns."""
    make_users(3)
    file = written(ask(maker, "username=many&sort=username", file_type))
    reading = USERS.read(QueryDict("username=many&sort=username"), viewer=maker, now=time_now())
    headers = [each.header for each in files.fields(reading, masked=True)]
    if file_type is files.CSV:
        assert list(lines(file)[0]) == [*headers, "Export"]
    else:
        first = next(load_workbook(export_files.path_of(file)).active.values)
        assert list(first) == [*headers, "Export"]


def work():
    """A worker as it is in production: a process of its own."""
    here = urlsplit(os.environ["DATABASE_URL"])
    ours = here._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{ours.partition('://')[2]}",
        "COAI_EXPORTS": str(export_files.settings.EXPORTS),
    }
    return subprocess.Popen(
        [sys.executable, "-c", WORKER], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_worker_that_is_killed_leaves_a_file_that_another_makes_whole(maker, folder):
    ids = make_users(400)
    file = ask(maker, "username=many&sort=id")
    worker = work()
    for _block in range(3):
        assert worker.stdout.readline() == "block\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    file.refresh_from_db()
    assert file.state == State.RUNNING
    assert not export_files.path_of(file).exists()  # nobody is offered half a file
    assert written(file).state == State.RUNNING  # its lease holds
    ExportFile.objects.update(lease_until=time_now())
    assert written(file).state == State.READY
    assert (file.rows_done, file.attempts) == (400, 2)
    assert [int(line["ID"]) for line in lines(file)] == ids
    [stray] = [path for path in folder.iterdir() if path.suffix == ".part"]
    os.utime(stray, (0, 0))
    expire_exports()
    assert [path.name for path in folder.iterdir()] == [f"{file.pk}.csv"]


def test_worker_that_stalled_over_its_lease_does_not_offer_its_file(maker):
    make_users(3)
    ask(maker)
    stalled = export_files.claim(now=time_now())
    export_files.folder()
    export_files.part_of(stalled).write_bytes(b"old")
    ExportFile.objects.update(lease_until=time_now())
    taken = export_files.claim(now=time_now())
    assert taken.pk == stalled.pk
    now = time_now()
    assert not export_files.keep(stalled, rows=1, now=now)
    assert not export_files.finish(stalled, rows=1, sha256="x", now=now)
    assert not export_files.fail(stalled, "no", now=now)
    assert export_files.keep(taken, rows=1, now=now)


def test_file_that_is_broken_off_each_time_fails(maker):
    file = ask(maker)
    for _attempt in range(export_files.ATTEMPTS):
        assert export_files.claim(now=time_now()) is not None
        ExportFile.objects.update(lease_until=time_now())
    assert written(file).state == State.FAILED
    assert "each time it was begun" in file.error


def test_one_file_is_written_at_a_time_and_people_come_before_schedules(maker):
    scheduled, first, second = (ask(maker) for _each in range(3))
    ExportFile.objects.filter(pk=scheduled.pk).update(schedule_id=1)
    now = time_now()
    assert export_files.claim(now=now).pk == first.pk
    assert export_files.claim(now=now) is None
    ExportFile.objects.filter(pk=first.pk).delete()
    assert export_files.claim(now=now).pk == second.pk


def test_two_workers_at_once_take_one_file(maker):
    for _each in range(2):
        ask(maker)
    taken, start = [], threading.Barrier(4)

    def claim():
        start.wait()
        try:
            taken.append(export_files.claim(now=time_now()))
        finally:
            connection.close()

    workers = [threading.Thread(target=claim) for _each in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len([each for each in taken if each]) == 1


@pytest.fixture
def slow(monkeypatch):
    """A statement that takes long before its first row."""

    def slowly(rows, columns, *, sent):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")
        yield b""

    monkeypatch.setattr(export_writing, "PULSE", 0.05)
    monkeypatch.setattr(export_writing.exports, "csv", slowly)


def in_background():
    def run():
        try:
            write_exports()
        finally:
            connection.close()

    worker = threading.Thread(target=run)
    worker.start()
    return worker


def until(condition):
    for _try in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def test_cancelled_file_stops_in_the_midst_of_a_statement(maker, folder, slow):
    file = ask(maker)
    worker = in_background()
    until(lambda: ExportFile.objects.filter(state=State.RUNNING, rows_total__gt=0).exists())
    assert export_files.cancel(file, now=time_now())
    worker.join(timeout=20)
    assert not worker.is_alive()
    file.refresh_from_db()
    assert file.state == State.CANCELLED
    assert list(folder.iterdir()) == []
    assert not export_files.cancel(file, now=time_now())


def test_cancelled_file_stops_in_the_midst_of_copy(maker, monkeypatch):
    """What COPY raises is psycopg's own: Django wraps what its cursors do, not that."""
    sleep = Func(Value(60), function="pg_sleep", output_field=TextField())
    sleeping = files.Field("slept", "Slept", sleep, Kind.NUMBER)
    real = files.csv

    def slowly(rows, columns, *, sent):
        return real(rows, [*columns, sleeping], sent=sent)

    monkeypatch.setattr(export_writing, "PULSE", 0.05)
    monkeypatch.setattr(export_writing.exports, "csv", slowly)
    file = ask(maker)
    claimed = export_files.claim(now=time_now())
    canceller = threading.Thread(target=cancel_while_it_copies, args=[claimed])
    canceller.start()
    with pytest.raises(BrokenOff):
        export_writing._write(claimed, time_now())
    canceller.join()
    file.refresh_from_db()
    assert file.state == State.CANCELLED


def cancel_while_it_copies(file):
    def copies():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                "   AND state = 'active' AND query LIKE 'COPY (%'"
            )
            return cursor.fetchone()

    until(copies)
    export_files.cancel(file, now=time_now())
    connection.close()


def test_lease_is_kept_while_a_statement_takes_long(maker, slow):
    file = ask(maker)
    worker = in_background()
    until(lambda: ExportFile.objects.filter(state=State.RUNNING, rows_total__gt=0).exists())
    ExportFile.objects.update(lease_until=time_now())
    until(lambda: ExportFile.objects.get().lease_until > time_now() + LEASE / 2)
    export_files.cancel(file, now=time_now())
    worker.join(timeout=20)


def test_file_that_waits_is_cancelled_at_once(maker):
    file = ask(maker)
    assert export_files.cancel(file, now=time_now())
    assert written(file).state == State.CANCELLED
    finished = AuditEntry.objects.filter(action="exports.users").latest("id")
    assert finished.changes["complete"] is False


@pytest.mark.parametrize("file_type", [files.CSV, files.XLSX])
def test_folder_that_cannot_be_written_fails_the_file_with_a_sentence(
    maker, settings, tmp_path, file_type
):
    settings.EXPORTS = tmp_path / "a file" / "exports"
    (tmp_path / "a file").write_text("in the way")
    file = written(ask(maker, file_type=file_type))
    assert file.state == State.FAILED
    assert "The file could not be written (Not a directory)" in file.error


@pytest.mark.parametrize("file_type", [files.CSV, files.XLSX])
def test_full_disk_fails_the_file_and_leaves_nothing(maker, folder, monkeypatch, file_type):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_writing.os, "fsync", full)
    file = written(ask(maker, file_type=file_type))
    assert file.state == State.FAILED
    assert "No space left on device" in file.error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("file_type", [files.CSV, files.XLSX])
def test_disk_that_is_full_in_the_midst_of_the_file_is_told(maker, folder, file_type):
    make_users(2_000)
    file, after = ask(maker, file_type=file_type), ask(maker, "username=nobody-is-called-this")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        write_exports()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.refresh_from_db(), after.refresh_from_db()
    assert (file.state, after.state) == (State.FAILED, State.READY)
    assert "The file could not be written (File too large)" in file.error
    assert [path.name for path in folder.iterdir()] == [f"{after.pk}.csv"]


def test_unforeseen_error_leaves_the_file_to_another_worker(maker, folder, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(export_writing, "_digest", lambda path: 1 / 0)
        file = ask(maker)
        with pytest.raises(ZeroDivisionError):
            write_exports()
    assert list(folder.iterdir()) == []
    ExportFile.objects.update(lease_until=time_now())
    assert written(file).state == State.READY


def test_files_are_deleted_when_their_days_are_over(maker, folder):
    file, kept = written(ask(maker)), written(ask(maker))
    ExportFile.objects.filter(pk=file.pk).update(expires_at=time_now())
    with pytest.raises(export_files.FileGone):
        export_files.open_ready(ExportFile.objects.get(pk=file.pk), now=time_now())
    expire_exports()
    file.refresh_from_db()
    assert file.state == State.EXPIRED
    assert [path.name for path in folder.iterdir()] == [f"{kept.pk}.csv"]
    later = time_now() + export_files.REMEMBERED + timedelta(minutes=1)
    ExportFile.objects.filter(pk=kept.pk).update(expires_at=later + LIFE)
    export_files.expire(later)
    assert list(ExportFile.objects.values_list("pk", flat=True)) == [kept.pk]


def test_what_nobody_knows_is_cleared_away_once_it_is_old(maker, folder):
    written(ask(maker))
    stray, young, scratch = folder / "x.csv", folder / "y.csv", folder / "tmpabc"
    stray.write_text("x"), young.write_text("y"), scratch.mkdir()
    for path in (stray, scratch):
        os.utime(path, (0, 0))
    running = ask(maker)
    export_files.claim(now=time_now())
    expire_exports()
    assert (stray.exists(), young.exists(), scratch.exists()) == (False, True, True)
    export_files.cancel(running, now=time_now())
    expire_exports()
    assert not scratch.exists()


def test_nobody_fills_the_queue(maker):
    for _each in range(export_files.MOST_WAITING):
        ask(maker)
    with pytest.raises(export_files.ExportRefused, match="20 of your exports are waiting"):
        ask(maker)
    ask(make_staff(Role.USER_ADMIN))
