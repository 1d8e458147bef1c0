"""Writing an export to its file, in a worker: one file at a time, at constant memory, under a lease
that a thread of its own keeps."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import psycopg
import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.utils.timezone import now as time_now
from django.utils.translation import gettext as _

from audit import export_files
from audit.export_files import Contents, ExportRefused
from audit.models import ExportFile
from coai_admin.console import exports
from coai_admin.console.exports import BrokenOff, Sent
from coai_admin.console.workbooks import write_workbook

PULSE = 1.0  # seconds between two looks at the row

log = structlog.get_logger(__name__)


class Pulse(Thread):
    """Beside the writing, over a connection of its own: tells how far it is, keeps the lease, and
    stops it within a second or two when the lease is lost or the maker cancelled, also in the
    midst of a long statement."""

    def __init__(self, file: ExportFile, sent: Sent) -> None:
        super().__init__(name=f"pulse of {file.pk}", daemon=True)
        self._file, self._sent = file, sent
        self._writing: Any = connection.connection
        self._over = Event()

    def run(self) -> None:
        kept = time_now()
        try:
            while not self._over.wait(PULSE):
                now = time_now()
                if self._keep(now):
                    kept = now
                elif self._sent.stopped or now - kept > export_files.LEASE:
                    self._stop()
                    return
        finally:
            connections.close_all()

    def _keep(self, now: datetime) -> bool:
        try:
            held = export_files.keep(self._file, rows=self._sent.rows, now=now)
        except (DatabaseError, InterfaceError):  # tried again until the lease is over
            connection.close()
            return False
        self._sent.stopped = not held
        return held

    def _stop(self) -> None:
        self._sent.stopped = True
        with suppress(Exception):  # it may be over, or its connection gone
            self._writing.cancel_safe(timeout=5)

    def end(self) -> None:
        """The writing is over, one way or another."""
        self._over.set()
        self.join()


def write_next(*, now: datetime) -> bool:
    """Write the next file that waits; whether there was one. Several workers may call it."""
    file = export_files.claim(now=now)
    if file is None:
        return False
    try:
        _write(file, now)
    except ExportRefused as refused:
        export_files.fail(file, str(refused), now=time_now())
    except BrokenOff:
        log.info("export_file_broken_off", export=str(file.pk))
    except OSError as error:
        log.exception("export_file_not_written", export=str(file.pk))
        sentence = _("The file could not be written (%(error)s). Tell whoever runs the server.")
        why = error.strerror or type(error).__name__
        export_files.fail(file, sentence % {"error": why}, now=time_now())
    finally:
        with suppress(OSError):  # else cleared away within the hour
            export_files.part_of(file).unlink(missing_ok=True)
    return True


def _write(file: ExportFile, now: datetime) -> None:
    contents = export_files.writer_of(file.kind).prepare(file, now)
    export_files.folder()
    connection.ensure_connection()
    sent = Sent()
    pulse = Pulse(file, sent)
    pulse.start()
    try:
        total = contents.rows.count()
        export_files.keep(file, rows=0, total=total, now=time_now())
        _fill(export_files.part_of(file), file, contents, sent)
        digest = _digest(export_files.part_of(file))
    except (OperationalError, psycopg.OperationalError):  # what COPY raises is not wrapped
        if not sent.stopped:
            raise
        raise BrokenOff from None
    finally:
        pulse.end()
    if not export_files.finish(file, rows=sent.rows, sha256=digest, now=time_now()):
        raise BrokenOff


def _fill(path: Path, file: ExportFile, contents: Contents, sent: Sent) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        if file.file_type == exports.CSV.extension:
            # Closed at once when the disk is full: the connection is needed to say so.
            with closing(exports.csv(contents.rows, contents.columns, sent=sent)) as blocks:
                out.writelines(blocks)
        else:
            _fill_workbook(out, file, contents, sent)
        out.flush()
        os.fsync(out.fileno())


def _fill_workbook(out: IO[bytes], file: ExportFile, contents: Contents, sent: Sent) -> None:
    # What it writes beside it on the way belongs where there is room for it, too.
    write_workbook(
        out,
        contents.rows,
        contents.columns,
        title=contents.sheet,
        mark=str(file.pk),
        sent=sent,
        beside=export_files.folder(),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as whole:
        return hashlib.file_digest(whole, "sha256").hexdigest()
