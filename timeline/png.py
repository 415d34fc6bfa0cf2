"""The still image as PNG, by resvg (https://github.com/linebender/resvg), which the extra `timeline` installs."""

from __future__ import annotations

from ..schema.errors import RunError
from ..schema.words import install
from .model import Timeline
from .page import Theme
from .svg import WIDTH, svg

SHARP = 2.0
"""Dots for each point of the image, where it is small enough."""

MOST_DOTS = 60_000_000


def png(timeline: Timeline, *, theme: Theme = "light") -> bytes:
    """Return a run as a PNG image.

    Raises:
        RunError: the package that draws it is not installed.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise RunError(f"a PNG needs one more package: {install('timeline')}; SVG needs none") from error
    image = svg(timeline, theme="dark" if theme == "dark" else "light")
    height = float(image.split('height="', 1)[1].split('"', 1)[0])
    factor = max(0.2, min(SHARP, (MOST_DOTS / (WIDTH * height)) ** 0.5))
    return bytes(svg_to_bytes(svg_string=image, width=round(WIDTH * factor), height=round(height * factor)))
