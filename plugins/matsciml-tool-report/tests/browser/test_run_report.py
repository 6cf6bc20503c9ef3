"""The report of a run, in a real browser: it opens, everything is drawn, and the keyboard works."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from matsciml_core.training.run_folder import (
    CONFIG,
    METRICS,
    PREDICTIONS,
    SUMMARY,
)
from matsciml_tool_report.crystal_files import TESTED_CRYSTALS, WORST_CRYSTALS

KINDS = {
    "Na4 Cl4": (225, [11, 17]),
    "Fe2 O3": (167, [26, 8]),
    "La O Cl": (129, [57, 8]),
    "U2": (63, [92]),
    "Ca Ti O3": (221, [20, 22, 8]),
}
"""Species → space group, and atoms to draw."""
ENERGY, GROUP, FORCES = "toy/energy", "toy/space_group", "toy/forces"


def prediction_rows() -> list[list[object]]:
    """Return predictions of a number per crystal, a class, and forces."""
    random = np.random.default_rng(0)
    rows: list[list[object]] = []
    for place in range(600):
        label, error = random.normal(), random.normal(0.0, 0.1 + 0.1 * (place % 5))
        group = list(KINDS.values())[place % 5][0] - 1
        chosen = group if place % 4 else 224
        rows.append(["toy", "energy", f"c{place}", 0, label, label + error, ""])
        rows.append(["toy", "space_group", f"c{place}", 0, group, chosen, 0.8])
    rows += [
        ["toy", "forces", f"c{place}", value, 0.0, random.normal(), ""]
        for place in range(40)
        for value in range(6)
    ]
    return rows


def summary() -> dict[str, object]:
    metric = {"mae": 0.25, "unit": "eV", "count": 600}
    return {
        "status": "finished",
        "started": "2026-03-01T09:30:00+00:00",
        "command": "matsciml run --dataset toy --encoder net",
        "best_epoch": 5,
        "metrics": {
            "test": {
                ENERGY: metric,
                GROUP: {"accuracy": 0.75, "unit": "class"},
                FORCES: {"mae": 0.8, "unit": "eV/Å"},
            }
        },
        "baselines": {ENERGY: {"mean": {"mae": 1.0}}},
        "datasets": {
            "toy": {
                "labels": {
                    "energy": {"kind": "scalar", "unit": "eV"},
                    "space_group": {"kind": "multiclass", "unit": "class", "num_classes": 230},
                    "forces": {"kind": "forces", "unit": "eV/Å"},
                }
            }
        },
        "citations": ["@article{a,\n  title = {B},\n  doi = {10.1000/x}\n}"],
    }


def pictured(name: str, place: int) -> dict[str, object]:
    group, numbers = list(KINDS.values())[place % 5]
    positions = [[0.3 + 1.7 * k, 0.4 * k, 0.9 * k] for k in range(len(numbers))]
    cell = [[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]]
    return {
        "dataset": "toy", "id": name, "space_group": group, "atomic_numbers": numbers,
        "positions": positions, "cell": cell, "pbc": [True] * 3,
    }  # fmt: skip


@pytest.fixture(scope="module")
def path(write, tmp_path_factory) -> Path:
    """The report of a run with three targets and gradients that were compared."""
    folder = tmp_path_factory.mktemp("report") / "20260301-093000-toy-net"
    folder.mkdir()
    config = {"datasets": [{"name": "toy"}], "encoder": {"name": "net"}}
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    (folder / SUMMARY).write_text(json.dumps(summary()))
    rows = [f"{k},{k},{k},0.001,{1 / (k + 1)},{1 / (k + 1)}" for k in range(5)]
    header = "epoch,step,seconds,learning_rate,train/loss,validation/loss"
    (folder / METRICS).write_text("\n".join([header, *rows]) + "\n")
    cosines = [f"{k},all,{ENERGY},{GROUP},{0.1 * (k - 3):.1f},1,1" for k in range(6)]
    names = "step,layer,task,other,cosine,norm,other_norm"
    (folder / "gradients.csv").write_text("\n".join([names, *cosines]) + "\n")
    with (folder / PREDICTIONS).open("w", newline="") as stream:
        columns = ["dataset", "target", "id", "index", "label", "prediction", "probability"]
        csv.writer(stream).writerows([columns, *prediction_rows()])
    with (folder / TESTED_CRYSTALS).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dataset", "id", "species", "space_group", "symmetry"])
        for place in range(600):
            species = list(KINDS)[place % 5]
            writer.writerow(["toy", f"c{place}", species, KINDS[species][0], "stated"])
    worst = [pictured(f"c{place}", place) for place in range(600)]
    (folder / WORST_CRYSTALS).write_text(json.dumps(worst))
    return write(folder)


@pytest.fixture
def shown(browser, path):
    browser.open(path)
    yield browser
    assert browser.troubles == []
    assert browser.requests == []


def test_every_figure_is_drawn(shown):
    assert shown.run("document.querySelectorAll('svg.plot').length") >= 9
    sizes = "[...document.querySelectorAll('svg.plot')].map(one => one.getBoundingClientRect())"
    assert all(box["width"] > 200 for box in shown.run(f"{sizes}.map(one => one.toJSON())"))
    titles = shown.run(
        "[...document.querySelectorAll('.figure-title')].map(one => one.textContent)"
    )
    for title in ("Loss", "Prediction against label", "Confusion matrix", "energy against"):
        assert any(title in found for found in titles), title


def test_the_map_of_elements_is_drawn_and_coloured(shown):
    assert shown.run("document.querySelectorAll('table.elements').length") == 3
    colours = shown.run(
        "[...new Set([...document.querySelectorAll('table.elements .element')]"
        ".map(one => getComputedStyle(one).backgroundColor))]"
    )
    assert len(colours) > 3
    cells = "document.querySelector('table.elements').querySelectorAll('.element')"
    assert shown.run(f"{cells}.length") == 8
    boxes = shown.run(f"[...{cells}].map(one => one.getBoundingClientRect().toJSON())")
    assert all(box["width"] > 40 and box["height"] > 40 for box in boxes)
    # Uranium stands below everything else, chlorine far to the right of sodium.
    named = dict(zip(shown.run(f"[...{cells}].map(one => one.innerText[0])"), boxes, strict=False))
    assert named["U"]["top"] == max(box["top"] for box in boxes)


def test_the_worst_crystals_are_drawn(shown):
    galleries = "document.querySelectorAll('ol.worst')"
    assert shown.run(f"{galleries}.length") == 3
    assert shown.run(f"[...{galleries}].map(one => one.children.length)") == [10, 10, 10]
    pictures = shown.run(
        "[...document.querySelectorAll('ol.worst svg.crystal')]"
        ".map(one => [one.getBoundingClientRect().width, one.querySelectorAll('circle').length])"
    )
    assert len(pictures) == 30
    assert all(width > 100 and balls >= 1 for width, balls in pictures)


def test_the_map_is_one_stop_of_the_tab_key_and_arrows_move_inside(shown):
    stops = "document.querySelector('table.elements').querySelectorAll('[tabindex=\"0\"]').length"
    name = "document.activeElement.getAttribute('aria-label')"
    assert shown.run(stops) == 1
    shown.run("document.querySelector('table.elements .element').focus()")
    assert shown.run(name).startswith("Oxygen: mean absolute error ")
    tip = "document.querySelector('.tip')"
    assert shown.run(f"{tip}.textContent") == shown.run(name)
    for key, element in (
        ("ArrowDown", "Chlorine"),
        ("ArrowLeft", "Sodium"),
        ("ArrowDown", "Calcium"),
        ("End", "Uranium"),
        ("ArrowUp", "Lanthanum"),
        ("Home", "Oxygen"),
        ("ArrowLeft", "Oxygen"),
    ):
        shown.press(key)
        assert shown.run(name).startswith(f"{element}: "), key
        assert shown.run(stops) == 1
    assert not shown.run(f"{tip}.hidden")
    shown.press("Escape")
    assert shown.run(f"{tip}.hidden")


def test_a_tip_stays_inside_the_window(shown):
    shown.run("[...document.querySelectorAll('table.elements .element')][0].focus()")
    box = shown.run("document.querySelector('.tip').getBoundingClientRect().toJSON()")
    assert box["width"] > 100
    assert box["left"] >= 0
    assert box["right"] <= 1280
    assert box["top"] >= 0


def test_a_tip_follows_the_pointer(shown):
    shown.run("document.querySelector('table.elements').scrollIntoView({behavior: 'instant'})")
    box = shown.run(
        "document.querySelector('table.elements .element').getBoundingClientRect().toJSON()"
    )
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    shown.ask("Input.dispatchMouseEvent", type="mouseMoved", **middle)
    assert shown.run("document.querySelector('.tip').textContent").startswith("Oxygen: ")
    shown.ask("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    assert shown.run("document.querySelector('.tip').hidden")


def test_bibtex_can_be_copied_with_the_keyboard(shown):
    shown.run("document.querySelector('#citation summary').focus()")
    shown.press("Enter", "\r")
    button = "document.querySelector('[data-copy=bibtex]')"
    assert not shown.run(f"{button}.hidden")
    shown.run(f"{button}.focus()")
    shown.press("Enter", "\r")
    shown.run("new Promise(done => setTimeout(done, 200))")
    assert shown.run("document.getElementById('copied').textContent")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_page_itself_never_scrolls_sideways(browser, path, width, dark):
    browser.open(path, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    inside = browser.run(
        "[...document.querySelectorAll('table.elements')]"
        ".map(one => [one.parentElement.clientWidth, one.parentElement.scrollWidth])"
    )
    assert all(box <= width for box, _ in inside)
    if width < 600:
        assert all(content > box for box, content in inside), "the map scrolls in its own box"
    assert browser.troubles == []


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_has_the_contrast_that_accessibility_asks_for(browser, path, dark):
    browser.open(path, dark=dark)
    ratio, element = browser.worst_contrast()
    assert ratio >= 4.5, element


def test_dark_mode_changes_the_map(browser, path):
    colour = (
        "getComputedStyle(document.querySelector('table.elements .level-4, .level-3, .level-5'))"
        ".backgroundColor"
    )
    browser.open(path)
    light = browser.run(colour)
    browser.open(path, dark=True)
    assert browser.run(colour) != light
