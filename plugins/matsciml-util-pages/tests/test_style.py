"""Colours of the style that all pages share: they contrast enough, light and dark."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_util_pages.testing.documents import palettes


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground", "least"),
    [
        ("--ink", "--page", 7.0),
        ("--ink", "--card", 7.0),
        ("--ink", "--accent-soft", 7.0),
        ("--muted", "--page", 4.5),
        ("--muted", "--card", 4.5),
        ("--muted", "--accent-soft", 4.5),
        ("--accent", "--card", 4.5),
        ("--accent", "--page", 4.5),
        ("--model", "--card", 4.5),
        ("--second", "--card", 4.5),
        ("--warning", "--warning-soft", 4.5),
        ("--baseline", "--card", 3.0),
        *((f"--on-cosine-{level}", f"--cosine-{level}", 4.5) for level in range(1, 8)),
    ],
)
def test_contrast(palette: dict[str, str], text: str, ground: str, least: float) -> None:
    brighter, darker = sorted((luminance(palette[text]), luminance(palette[ground])), reverse=True)
    assert (brighter + 0.05) / (darker + 0.05) >= least
