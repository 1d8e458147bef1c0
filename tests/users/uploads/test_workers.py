"""Files under real Celery workers: one is killed while it reads, another while it imports."""

import time

import pytest
from django.utils.timezone import now

from audit.models import AuditEntry, Receipt, Run
from audit.runs import approving, steering
from bench.workers import crew
from billing import reports
from billing.models import Transfer
from tests.factories import make_staff
from tests.users.uploads.files import mapped
from users.models import Upload, UploadRow, User
from users.roles import Role

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.system]
LEASE, PATIENCE, ROWS = 2, 120, 12_000


def wait_for(condition, workers, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        workers.tell()
        assert time.monotonic() < end, f"still not true after {PATIENCE} s: {what}"
        time.sleep(0.01)
    return found


def begin_anew(workers):
    """kill -9 all of them, in the middle of whatever they do, and start others."""
    workers.dismiss()
    workers.complete()


def test_import_whose_workers_are_killed_does_every_row_once():
    text = "username,email,credits to add\n"
    text += "".join(f"new{n},new{n}@example.org,1\n" for n in range(ROWS))
    upload = mapped(text)
    colleague = make_staff(Role.SUPER_ADMIN)

    def seen():
        upload.refresh_from_db()
        return upload

    with crew(2, lease=LEASE) as workers:
        wait_for(lambda: 0 < seen().rows < ROWS, workers, "the file is being read")
        begin_anew(workers)
        assert seen().state == Upload.State.READING
        wait_for(lambda: seen().state == Upload.State.READ, workers, "another read the file")
        assert (upload.rows, upload.problems, upload.token) == (ROWS, 0, 2)
        tried = wait_for(
            lambda: Run.objects.filter(pk=upload.run_id, state="previewed").first(),
            workers,
            "every row was tried",
        )
        assert tried.changed == ROWS
        run = steering.confirm(tried.pk, actor=upload.owner, now=now(), reason="the shop")
        assert run.state == Run.State.WAITING
        approving.approve(run.pk, actor=colleague, now=now())
        Run.objects.filter(pk=run.pk).update(batch=50)
        done = Run.objects.filter(pk=run.pk)
        wait_for(lambda: done.get().cursor > 0, workers, "the import is under way")
        begin_anew(workers)
        assert done.get().state == Run.State.RUNNING
        wait_for(lambda: done.get().state == Run.State.DONE, workers, "another finished it")

    made = User.objects.filter(username__startswith="new", email__endswith="@example.org")
    assert made.count() == ROWS == UploadRow.objects.filter(upload=upload).count()
    assert Transfer.objects.filter(group_id=run.pk).count() == ROWS
    assert Receipt.objects.filter(act=run.pk, outcome=Receipt.Outcome.CHANGED).count() == ROWS
    assert AuditEntry.objects.filter(act_id=run.pk, action=run.code).count() == ROWS
    assert list(reports.defects()) == []
