"""Shapes of a still image, and its colours."""

from __future__ import annotations

from html import escape

from .words import shown

FONT = "'DejaVu Sans', 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"

LIGHT = {
    "bg": "#ffffff", "panel": "#f6f8fa", "line": "#d1d9e0", "soft": "#eaeef2", "ink": "#1f2328", "quiet": "#59636e",
    "succeeded": "#1f883d", "failed": "#cf222e", "timed_out": "#bc4c00", "running": "#0969da", "paused": "#9a6700",
    "skipped": "#818b98", "cancelled": "#6e5494", "pending": "#8c959f", "asked": "#b08800", "interrupted": "#6e7781",
    "partial": "#bc4c00", "queued": "#9db7d5", "critical": "#a5138b", "on": "#ffffff", "wait": "#c3cbd4",
}  # fmt: skip
DARK = {
    "bg": "#0d1117", "panel": "#151b23", "line": "#3d444d", "soft": "#212830", "ink": "#f0f6fc", "quiet": "#9198a1",
    "succeeded": "#3fb950", "failed": "#f85149", "timed_out": "#f0883e", "running": "#58a6ff", "paused": "#d29922",
    "skipped": "#6e7681", "cancelled": "#a98ae0", "pending": "#6e7681", "asked": "#e3b341", "interrupted": "#8b949e",
    "partial": "#f0883e", "queued": "#3d5f87", "critical": "#ff7ee2", "on": "#0d1117", "wait": "#3d444d",
}  # fmt: skip


def written(text: str) -> str:
    """Return text as it may stand in an image."""
    return escape(shown(text, 2000))


def label(x: float, y: float, text: str, size: float, fill: str, *, weight: int = 400, anchor: str = "start") -> str:
    """Return a line of text; `y` is its base."""
    end = f' text-anchor="{anchor}"' if anchor != "start" else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.4g}" fill="{fill}"{bold}{end}>{written(text)}</text>'


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    *,
    round_by: float = 0.0,
    stroke: str | None = None,
    stroke_width: float = 1.0,
) -> str:
    """Return a box."""
    corners = f' rx="{round_by:.1f}"' if round_by else ""
    around = f' stroke="{stroke}" stroke-width="{stroke_width:.4g}"' if stroke else ""
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{fill}"{corners}{around}/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, dashes: str | None = None) -> str:
    """Return a straight line."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" stroke="{stroke}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def curve(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float, bend: float) -> str:
    """Return a line that leaves to the right and comes from the left."""
    path = f"M{x1:.1f},{y1:.1f}C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    return f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width:.1f}"/>'
