"""The report as a document: alone, safe, deterministic, and readable without seeing it."""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import pairwise
from typing import Any

import matplotlib as mpl

from matsciml_util_pages.testing.documents import Document, palettes, single_spaced
from matsciml_util_pages.testing.example_runs import (
    TARGET,
    ExampleRun,
    example_target,
)

HOSTILE = "<script>alert('id')</script>\"'&"


def test_page_loads_nothing(page: Document) -> None:
    for element in page.elements:
        for name in ("src", "srcset", "href", "action", "data", "poster", "background"):
            address = element.attributes.get(name, "")
            allowed = element.tag == "a" and address.startswith("https://doi.org/")
            assert allowed or address.startswith(("#", "data:,")) or not address, element
    outside_text = re.sub(r"<a href=[^>]*>[^<]*</a>", "", page.source)
    assert "://" not in outside_text
    assert "@import" not in page.source
    assert len(page.find("style")) == 1, "a figure's style sheet would apply to the whole page"
    assert not re.search(r"url\((?!#)", page.source)


def test_policy_admits_the_pages_own_script_and_no_other(page: Document) -> None:
    (script,) = page.find("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]
    assert "default-src 'none'" in policy.attributes["content"]
    assert not [name for item in page.elements for name in item.attributes if name[:2] == "on"]


def test_hostile_text_is_escaped_everywhere(page_of, run: ExampleRun) -> None:
    target = run.targets[TARGET]
    target.ids[:] = [f"{HOSTILE}{place}\u2028{{{{ 7 * 7 }}}}" for place in range(len(target.ids))]

    def change(data: dict[str, Any]) -> None:
        data |= {"command": HOSTILE, "status": HOSTILE, "citations": [HOSTILE], "started": HOSTILE}
        data["versions"][HOSTILE] = HOSTILE
        data["hardware"]["cpu"] = HOSTILE
        data["datasets"]["mp"]["source"] = HOSTILE
        data["datasets"]["mp"]["labels"][HOSTILE] = {"unit": HOSTILE, "description": HOSTILE}
        data["heads"][TARGET][HOSTILE] = 1.0
        data["metrics"]["test"][TARGET] |= {"unit": HOSTILE, HOSTILE: 1.0}
        data["baselines"][TARGET][HOSTILE] = {"mae": 1.0}

    run.change = change
    page = page_of(run)
    assert len(page.find("script")) == 1
    assert "<script>alert" not in page.source
    assert HOSTILE in page.section("predictions")
    assert "{{ 7 * 7 }}" in page.section("predictions")
    assert page.text("pre", id="command") == [HOSTILE]


def test_hostile_target_and_dataset_names(page_of, run: ExampleRun) -> None:
    name = "mp$_{<b>&\"'/x$\\frac{"
    run.targets = {name: example_target()}
    run.targets[name].unit = "$\\frac{$"  # no formula for matplotlib to typeset
    page = page_of(run)
    assert not page.find("b")
    assert "Label ($\\frac{$)" in page.section("predictions")
    assert "x$\\frac{" in page.text("h1")[0]


def test_ids_are_unique_and_references_resolve(page_of, run: ExampleRun) -> None:
    run.targets = {TARGET: example_target(600), "mp/band_gap": example_target(600, seed=3)}
    page = page_of(run)
    names = [item.attributes["id"] for item in page.elements if "id" in item.attributes]
    assert len(names) == len(set(names))
    known = set(names)
    for element in page.elements:
        for attribute in ("href", "aria-labelledby", "data-copy", "clip-path"):
            value = element.attributes.get(attribute, "")
            local = value.removeprefix("url(").removesuffix(")").removeprefix("#")
            if value and not value.startswith(("https:", "data:")):
                assert local in known, element


def test_page_can_be_read_without_seeing_it(page: Document) -> None:
    assert page.find("html")[0].attributes["lang"] == "en"
    figures = page.find("svg")
    assert len(figures) == 6
    for figure in figures:
        assert figure.attributes["role"] == "img"
        assert re.search(r"\d", figure.attributes["aria-label"])
        assert len(figure.attributes["aria-label"]) > 60
    for table in page.find("table"):
        inside = [item for item in page.elements if item.parent is table]
        assert inside[0].tag == "caption"
        assert inside[0].text
    assert all(cell.attributes.get("scope") in ("col", "row") for cell in page.find("th"))
    for button in page.find("button"):
        assert "Copy the" in single_spaced(button.text)
    levels = [int(item.tag[1]) for item in page.elements if re.fullmatch(r"h\d", item.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_copy_buttons_are_hidden_until_the_script_runs(page: Document) -> None:
    buttons = page.find("button")
    assert len(buttons) == 3
    assert all("hidden" in button.attributes for button in buttons)


def test_figures_take_their_colours_from_the_page(page_of, run: ExampleRun) -> None:
    run.targets = {TARGET: example_target(600)}
    page = page_of(run)
    drawn = [item.attributes.get("style", "") for item in page.elements if item.inside("content")]
    assert not [style for style in drawn if re.search(r"#[0-9a-f]{3,6}\b", style)]
    used = set(re.findall(r"var\((--[\w-]+)\)", " ".join(drawn)))
    assert {"--model", "--second", "--baseline", "--ink", "--grid", "--density-1"} <= used
    light, dark = palettes()
    assert used <= light.keys()
    assert used <= dark.keys()


def test_same_run_gives_the_same_page_whatever_the_users_style(write, run: ExampleRun) -> None:
    first = write(run.write()).read_text(encoding="utf-8")
    with mpl.rc_context(
        {"font.size": 40, "axes.xmargin": 0.4, "axes.facecolor": "red", "svg.fonttype": "path"}
    ):
        second = write(run.path).read_text(encoding="utf-8")
        assert mpl.rcParams["font.size"] == 40
    assert first == second
