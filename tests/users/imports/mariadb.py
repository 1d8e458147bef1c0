"""A real MariaDB on a socket in a folder of its own, run by an unprivileged user."""

import gzip
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pymysql

_PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/bin"
_START_SECONDS = 60
_INSTALLING = ["--auth-root-authentication-method=normal", "--skip-test-db"]
_RUNNING = [
    "--skip-networking",
    "--sql-mode=",  # zero dates and the like, as old servers take them
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--max-allowed-packet=64M",
]


def _program(*names):
    return next(found for name in names if (found := shutil.which(name, path=_PATH)))


class Server:
    """``url(name)`` is what import_coai takes for a database of it."""

    def __init__(self, socket):
        self.socket = socket

    def connect(self, database=None):
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="coai",
            password="s3cr3t@/:",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def url(self, database):
        return f"mysql://coai:s3cr3t%40%2F%3A@localhost/{database}?unix_socket={self.socket}"

    def create(self, database, dump=None):
        """Make a database and load a dump into it: a path of .sql or .sql.gz, or the text."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        if dump is None:
            return
        if isinstance(dump, Path):
            text = dump.read_bytes()
            text = gzip.decompress(text) if dump.suffix == ".gz" else text
        else:
            text = dump.encode()
        client = [_program("mariadb", "mysql"), f"--socket={self.socket}", "--user=coai"]
        options = ["--password=s3cr3t@/:", "--default-character-set=utf8mb4", database]
        subprocess.run([*client, *options], input=text, check=True)


@contextmanager
def running():
    """Start a server, stop it afterwards, leave nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="coai-mariadb-"))  # short: a socket's path must be
    as_user = []
    if os.geteuid() == 0:
        owner = pwd.getpwnam("nobody")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user = ["--user=nobody"]
    data, socket = folder / "data", folder / "s"
    log = folder / "log"
    try:
        common = ["--no-defaults", f"--datadir={data}", *as_user]
        subprocess.run(
            [_program("mariadb-install-db", "mysql_install_db"), *common, *_INSTALLING],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        files = [f"--socket={socket}", f"--pid-file={folder}/pid"]
        with log.open("wb") as out:
            server = subprocess.Popen(
                [_program("mariadbd", "mysqld"), *common, *files, *_RUNNING], stdout=out, stderr=out
            )
        try:
            _wait(server, socket, log)
            yield Server(socket)
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server, socket, log):
    deadline = time.monotonic() + _START_SECONDS
    while True:
        while not socket.exists() and server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        try:
            with (
                pymysql.connect(
                    unix_socket=str(socket), user="root", autocommit=True
                ) as connection,
                connection.cursor() as cursor,
            ):
                cursor.execute("CREATE USER coai@localhost IDENTIFIED BY 's3cr3t@/:'")
                cursor.execute("GRANT ALL ON *.* TO coai@localhost")
                return
        except pymysql.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MariaDB did not start:\n{log.read_text()}") from None
            time.sleep(0.1)
