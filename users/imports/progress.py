"""How far a command has come, on the terminal: a bar that is drawn over, or a line now and then
where there is none."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_WIDTH = 28
_REDRAW_SECONDS = 0.1
_LINE_SECONDS = 5.0


class Progress:
    """Tells of one step after another."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._drawn = stream.isatty()
        self._label = ""
        self._total = 0
        self._began = self._told = 0.0
        self._done = 0

    def begin(self, label: str, total: int = 0) -> None:
        """A new step of ``total`` parts; 0 where that is unknown."""
        self.end()
        self._label, self._total, self._done = label, total, 0
        self._began = self._told = time.monotonic()
        self._tell()

    def reach(self, done: int) -> None:
        """``done`` parts of the step are done."""
        self._done = done
        if time.monotonic() - self._told >= (_REDRAW_SECONDS if self._drawn else _LINE_SECONDS):
            self._tell()

    def end(self) -> None:
        """The step is over."""
        if not self._label:
            return
        self._tell()
        if self._drawn:
            self._stream.write("\n")
        self._label = ""

    def _tell(self) -> None:
        self._told = time.monotonic()
        seconds = self._told - self._began
        rate = f"{self._done / seconds:,.0f}/s" if self._done and seconds >= 0.5 else ""
        if self._total:
            share = min(self._done / self._total, 1.0)
            bar = "█" * round(share * _WIDTH) + "░" * (_WIDTH - round(share * _WIDTH))
            figures = f"{self._done:>11,} of {self._total:,}  {rate}"
            shown = f"{self._label:<22} {bar if self._drawn else ''} {figures}"
        else:
            shown = f"{self._label:<22} {f'{self._done:,}' if self._done else ''} {rate}"
        ends = "\x1b[K\r" if self._drawn else "\n"
        self._stream.write(f"{shown.rstrip()}{ends}")
        self._stream.flush()
