"""Log lines: JSON in production, readable in development. The settings name ``formatter``."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import structlog
from structlog.typing import Processor

_SECRET = re.compile(
    r"passw|secret|token|authorization|cookie|csrf|api_?key|session_?key|digest|credential",
    re.IGNORECASE,
)
# The token of a mailed link (users.tokens), which stands in paths and is as good as a password.
_MAILED = re.compile(r"(?<![\w-])(\d{1,18})-[\w-]{43}(?![\w-])", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# Plain tracebacks: prettier ones show local variables, and passwords are local variables.
_RENDERER = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)


def formatter(*, as_json: bool) -> logging.Formatter:
    """The formatter of every handler; sets structlog up to write through the standard library's
    logging."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        censor,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(_as_json() if as_json else _as_text()),
        ],
    )


def censor(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every field whose name speaks of a secret, at any depth, and the
    tokens of mailed links wherever they stand."""
    return {name: _censored(name, value) for name, value in event.items()}


def _censored(name: str, value: Any) -> Any:
    if name not in ("event", "exception", "exc_info", "_record") and _SECRET.search(name):
        return "(not logged)"
    if isinstance(value, str):
        return _MAILED.sub(r"\1-(not-logged)", value)
    if isinstance(value, dict):
        return {key: _censored(str(key), inner) for key, inner in value.items()}
    return value


def _as_json() -> Sequence[Processor]:
    return (
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=True),
    )


def _as_text() -> Sequence[Processor]:
    return (_on_one_line, _RENDERER)


def _on_one_line(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """What somebody sent cannot end a line or colour the terminal. (JSON escapes by itself.)"""
    event["event"] = _CONTROL.sub(_escaped, str(event.get("event", ""))).replace("\n", "\\n")
    return event


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
