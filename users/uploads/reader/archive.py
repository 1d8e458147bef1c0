"""Workbooks as archives: what their list of members promises is judged before anything is
unpacked."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

from users.uploads.reader.bounds import (
    LARGE,
    MOST_DIRECTORY,
    MOST_MEMBERS,
    MOST_RATIO,
    MOST_UNPACKED,
)
from users.uploads.reader.refusal import Refused

CONTENT_TYPES, WORKBOOK = "[Content_Types].xml", "xl/workbook.xml"
_BLOCK = 64 * 1024
_END = b"PK\x05\x06"
_END_SIZE, _LONGEST_COMMENT = 22, 0xFFFF
_ENTRY_SIZE = 30  # of what stands before a member, without its name
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What a list of people has no need of, by where it stands in a workbook.
_UNWANTED = {
    "vbaproject": "macros",
    "macrosheets/": "macros",
    "externallinks/": "links",
    "embeddings/": "embedded",
    "activex/": "embedded",
}


def opened(file: IO[bytes]) -> zipfile.ZipFile:
    """The archive, once its list of members has been judged. Raises Refused."""
    _check_end(file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise Refused("broken") from error
    _check(archive.infolist())
    _check_places(archive)
    return archive


def blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """A member, unpacked block by block; never more than its entry promises. Raises Refused."""
    try:
        with archive.open(name) as member:
            while block := member.read(_BLOCK):
                yield block
    except KeyError as error:
        raise Refused("no_workbook") from error
    except (zipfile.BadZipFile, ValueError, EOFError, zlib.error, NotImplementedError) as error:
        raise Refused("broken") from error


def _check_end(file: IO[bytes]) -> None:
    """That the list of members is short, before the library reads it into memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
    tail = file.read()
    found = tail.rfind(_END)
    if found < 0 or len(tail) - found < _END_SIZE:
        raise Refused("broken")
    members, directory = struct.unpack_from("<HL", tail, found + 10)
    if members > MOST_MEMBERS or directory > MOST_DIRECTORY:
        raise Refused("members")


def _check(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise Refused("members")
    names = [each.filename for each in members]
    if len({name.lower() for name in names}) < len(names):
        raise Refused("broken")
    for each in members:
        _check_member(each)
    if sum(each.file_size for each in members) > MOST_UNPACKED:
        raise Refused("unpacked")
    if not {CONTENT_TYPES, WORKBOOK} <= set(names):
        raise Refused("no_workbook")
    _check_contents(names)


def _check_member(each: zipfile.ZipInfo) -> None:
    if each.flag_bits & _ENCRYPTED:
        raise Refused("encrypted")
    parts = each.filename.replace("\\", "/").split("/")
    if each.filename.startswith("/") or ".." in parts or ":" in parts[0]:
        raise Refused("paths")
    if stat.S_ISLNK(each.external_attr >> 16) or each.compress_type not in _METHODS:
        raise Refused("broken")
    if each.file_size > LARGE and each.file_size > MOST_RATIO * max(1, each.compress_size):
        raise Refused("ratio")


def _check_places(archive: zipfile.ZipFile) -> None:
    """That each member has its bytes for itself: else few of them could promise to be many, and the
    size that a ratio is judged by be what one likes."""
    end = 0
    for each in sorted(archive.infolist(), key=lambda entry: entry.header_offset):
        if each.header_offset < end:
            raise Refused("broken")
        end = each.header_offset + _ENTRY_SIZE + each.compress_size
    if end > archive.start_dir:
        raise Refused("broken")


def _check_contents(names: Iterable[str]) -> None:
    for name in names:
        for part, code in _UNWANTED.items():
            if part in name.lower():
                raise Refused(code)
