"""Why a file is refused, as a code and figures; ``users.uploads.reading`` has the sentences."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """The file is not read. ``code`` names why, ``facts`` are what the sentence tells."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts
