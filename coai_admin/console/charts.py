"""Geometry of the console's charts, in SVG units; templates write it as attributes, not styles."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

Number = Decimal | int | float

WIDTH = 600.0
HEIGHT = 120.0


@dataclass(frozen=True)
class Column:
    """One column: its rectangle in SVG units, and what it says."""

    label: str
    value: Number
    x: str
    y: str
    width: str
    height: str
    negative: bool


@dataclass(frozen=True)
class Columns:
    """A chart of columns: where its base line is, and the values of its upper and lower edge."""

    columns: list[Column]
    zero: str
    top: Number
    bottom: Number

    @property
    def first(self) -> str:
        """Say what stands under the first column."""
        return self.columns[0].label if self.columns else ""

    @property
    def last(self) -> str:
        """Say what stands under the last column."""
        return self.columns[-1].label if self.columns else ""


def columns(points: Sequence[tuple[str, Number]]) -> Columns:
    """Lay out (label, value) pairs as columns on a base line at zero; values may be negative."""
    values = [float(value) for _label, value in points]
    top, bottom = max([0.0, *values]), min([0.0, *values])
    span = (top - bottom) or 1.0
    zero = HEIGHT * top / span if top or bottom else HEIGHT
    step = WIDTH / max(len(points), 1)
    width = max(step * 0.72, min(step, 1.0))
    drawn = []
    for number, ((label, value), size) in enumerate(zip(points, values, strict=True)):
        height = HEIGHT * abs(size) / span
        drawn.append(
            Column(
                label=label,
                value=value,
                x=f"{number * step + (step - width) / 2:.2f}",
                y=f"{zero if size < 0 else zero - height:.2f}",
                width=f"{width:.2f}",
                height=f"{max(height, 1.0 if size else 0.0):.2f}",
                negative=size < 0,
            )
        )
    edges = [value for _label, value in points] or [0]
    return Columns(drawn, f"{zero:.2f}", max([0, *edges]), min([0, *edges]))
