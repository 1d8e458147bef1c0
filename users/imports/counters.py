"""Reading CoAI's Redis: what people used of their plans, a counter for each person and item of a
plan, and the statistics of each day. Everything else there is a cache, some of it secret: it is
counted by its keys and never read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import redis
from django.utils.translation import gettext as _

from users.imports import values
from users.imports.rows import Keys, Reader, Staged
from users.imports.tables import SourceUnreadable

USAGE, STATISTICS = "redis_usage", "redis_statistics"
TABLES = (USAGE, STATISTICS)
_USAGE = "usage-"
_STATISTICS = ("nio:billing-", "nio:request-", "nio:err-", "nio:model-")
_AT_ONCE = 500
_PATIENCE = 10.0  # seconds
_NO_CHANGE = frozenset(
    {"EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "PERSIST", "SELECT", "MULTI", "EXEC"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the counters are: a server's URL, or a file of commands that would make them."""

    url: str = ""
    commands: Path | None = None


@dataclass(frozen=True, slots=True)
class Counters:
    """Every key that counts something, with its text; ``left`` is how many others there are."""

    location: str
    usage: dict[str, str] = field(default_factory=dict)
    statistics: dict[str, str] = field(default_factory=dict)
    left: int = 0

    def summary(self) -> dict[str, Any]:
        """What the report says of them."""
        return {
            "location": self.location,
            "usage": len(self.usage),
            "statistics": len(self.statistics),
            "left": self.left,
        }


def read_counters(place: Place) -> Counters:
    """The counters as they are now. Raises SourceUnreadable with the sentence that says why they
    cannot be read."""
    if place.commands is not None:
        return _sorted_out(str(place.commands), _from_commands(place.commands))
    return _from_server(place.url)


def _kind(key: str) -> str:
    if key.startswith(_USAGE):
        return USAGE
    return STATISTICS if key.startswith(_STATISTICS) else ""


def _sorted_out(location: str, found: Mapping[str, str], *, left: int = 0) -> Counters:
    kept: dict[str, dict[str, str]] = {USAGE: {}, STATISTICS: {}, "": {}}
    for key in sorted(found):
        kept[_kind(key)][key] = found[key]
    return Counters(location, kept[USAGE], kept[STATISTICS], left + len(kept[""]))


def _from_server(url: str) -> Counters:
    parts = urlsplit(url)
    location = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"  # without the password
    try:
        with redis.Redis.from_url(
            url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        ) as server:
            wanted, left = [], 0
            for name in server.scan_iter(count=1_000):
                if _kind(_text(name)):
                    wanted.append(name)
                else:
                    left += 1
            found = dict(_fetched(server, wanted))
    except (redis.RedisError, ValueError) as error:
        raise SourceUnreadable(
            _("The Redis at %(where)s cannot be read: %(error)s.")
            % {"where": location, "error": str(error).rstrip(".").replace(url, location)}
        ) from error
    return _sorted_out(location, found, left=left)


def _fetched(server: redis.Redis, names: list[bytes]) -> Iterator[tuple[str, str]]:
    """Keys with their text. A key that is no text, or expired meanwhile, has none."""
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        for name, cell in zip(some, server.mget(some), strict=True):
            yield _text(name), "" if cell is None else _text(cell)


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")


def _from_commands(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as lines:
            for number, line in enumerate(lines, 1):
                if not _carried_out(found, line):
                    raise SourceUnreadable(
                        _("%(path)s, line %(number)d is no Redis command that sets a counter.")
                        % {"path": path, "number": number}
                    )
    except OSError as error:
        raise SourceUnreadable(
            _("%(path)s cannot be read: %(error)s.") % {"path": path, "error": error.strerror}
        ) from error
    return found


def _carried_out(found: dict[str, str], line: str) -> bool:
    """Do what a line says; whether it said anything that we understand."""
    try:
        words = shlex.split(line, comments=line.lstrip().startswith("#"))
    except ValueError:
        return False
    if not words or words[0].upper() in _NO_CHANGE:
        return True
    command = _COMMANDS.get(words[0].upper())
    try:
        return command is not None and command(found, words[1:])
    except (IndexError, ValueError):
        return False


def _set(found: dict[str, str], words: list[str]) -> bool:
    found[words[0]] = words[1]
    return True


def _set_expiring(found: dict[str, str], words: list[str]) -> bool:
    found[words[0]] = words[2]
    return True


def _increase(found: dict[str, str], words: list[str]) -> bool:
    by = int(words[1]) if len(words) > 1 else 1
    found[words[0]] = str(int(found.get(words[0], "0")) + by)
    return True


def _delete(found: dict[str, str], words: list[str]) -> bool:
    for name in words:
        found.pop(name, None)
    return bool(words)


_COMMANDS: dict[str, Callable[[dict[str, str], list[str]], bool]] = {
    "SET": _set,
    "SETEX": _set_expiring,
    "PSETEX": _set_expiring,
    "INCR": _increase,
    "INCRBY": _increase,
    "DEL": _delete,
    "UNLINK": _delete,
}


def staged_usage(
    counters: Counters, reader: Reader, zone: ZoneInfo, *, items: Collection[str]
) -> Iterator[Staged]:
    """A kept row for each counter of a plan: who, which item, since when (UTC; CoAI counts a month
    from there), how many requests. ``items``: those that the configuration has; empty where none
    was given. A counter of nobody is quarantined."""
    keys = Keys(("counter",), unique=True)
    for key, text in counters.usage.items():
        cells = _usage(key, text, zone)
        if "used" not in cells:
            reader.tally.anomalies["unreadable_usage"] += 1
        elif items and cells["item"] not in items:
            reader.tally.anomalies["unknown_usage_item"] += 1
        yield reader.keep(USAGE, cells, keys, "user_id")


def _usage(key: str, text: str, zone: ZoneInfo) -> dict[str, values.Cell]:
    """``usage-<item>:<user>`` holds ``2026-10-20:12:00:00/60``, wall clock and count. What is
    otherwise is kept as it stands."""
    item, _colon, user = key.removeprefix(_USAGE).rpartition(":")
    since, _slash, count = text.rpartition("/")
    at = values.moment(since.replace(":", " ", 1), zone).at
    used = values.whole(count)
    cells: dict[str, values.Cell] = {"counter": key, "user_id": user, "item": item}
    if at is None or used is None:
        return {**cells, "text": text}
    return {**cells, "since": at.isoformat(), "used": used}


def staged_statistics(counters: Counters, reader: Reader) -> Iterator[Staged]:
    """A kept row for each figure of a day or month."""
    keys = Keys(("counter",), unique=True)
    for key, text in counters.statistics.items():
        figure = values.whole(text)
        shown = text if figure is None else figure
        yield reader.keep(STATISTICS, {"counter": key, "figure": shown}, keys, None)
