"""The contrast of every ink on every ground it may stand on, in both themes (WCAG 2.2 AA)."""

import math
import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[2] / "static" / "console" / "css" / "tokens.css"
GROUNDS = ["--chrome", "--paper", "--sheet", "--sunk", "--hover", "--raised"]
TEXT = 4.5
SHAPE = 3.0

PAIRS = [
    *[
        (ink, ground, TEXT)
        for ink in ("--ink", "--ink-2", "--ink-3", "--accent")
        for ground in GROUNDS
    ],
    *[(ink, "--accent-wash", TEXT) for ink in ("--ink", "--ink-2", "--ink-3", "--accent")],
    *[
        (ink, ground, TEXT)
        for kind in ("good", "warn", "bad")
        for ink, ground in [
            ("--ink", f"--{kind}-wash"),
            ("--ink-2", f"--{kind}-wash"),
            *[
                (f"--{kind}-ink", ground)
                for ground in (
                    f"--{kind}-wash",
                    "--sheet",
                    "--hover",
                    "--accent-wash",
                    "--paper",
                    "--raised",
                )
            ],
        ]
    ],
    *[
        ("--accent-ink", fill, TEXT)
        for fill in ("--accent-fill", "--accent-fill-2", "--bad-fill", "--bad-fill-2")
    ],
    *[
        (mark, ground, SHAPE)
        for mark in ("--good", "--warn", "--bad")
        for ground in ("--sheet", "--hover", "--accent-wash")
    ],
    *[("--edge", ground, SHAPE) for ground in ("--sheet", "--paper")],
    *[("--accent-shape", ground, SHAPE) for ground in ("--sheet", "--line")],
]


def declarations():
    text = re.search(r":root \{(.*?)\n\}", TOKENS.read_text(), re.S).group(1)
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", text))


def colour(value, theme):
    """Read one colour of a token: oklch(L% C H), or the theme's half of light-dark(a, b)."""
    if value.startswith("light-dark("):
        value = re.findall(r"oklch\([^)]*\)", value)[theme == "dark"]
    light, chroma, hue = re.match(r"oklch\(([\d.]+)% ([\d.]+) ([\d.]+)\)", value).groups()
    return float(light) / 100, float(chroma), math.radians(float(hue))


def luminance(oklch):
    """Relative luminance of an OKLCH colour.

    The matrices are from Björn Ottosson, "A perceptual color space for image processing".
    """
    light, chroma, hue = oklch
    a, b = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    red, green, blue = (min(max(part, 0.0), 1.0) for part in (red, green, blue))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_of_ink_on_ground_is_enough(theme):
    tokens = declarations()
    weak = []
    for ink, ground, least in PAIRS:
        ratio = contrast(colour(tokens[ink], theme), colour(tokens[ground], theme))
        if ratio < least:
            weak.append(f"{ink} on {ground}: {ratio:.2f} < {least}")
    assert weak == []


def test_contrast_of_black_on_white_is_twenty_one():
    assert contrast((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)) == pytest.approx(21, abs=0.01)
