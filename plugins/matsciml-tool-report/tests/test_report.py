"""``report.html``: what it says, that it stands alone, and that no run folder breaks it."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import yaml
from markupsafe import Markup
from numpy.typing import NDArray

from matsciml_core.errors import ConfigError
from matsciml_core.training.run_folder import CONFIG, METRICS, PREDICTIONS, SUMMARY
from matsciml_tool_report.error_summary import mean_errors, summarise, worst
from matsciml_tool_report.page import write_report
from matsciml_util_pages import svg
from matsciml_util_pages.metrics import comparison, metric_info
from matsciml_util_pages.numbers import (
    count,
    counted,
    duration,
    moment,
    number,
    power,
    quantity,
)
from matsciml_util_pages.run_files import Predictions, read_run

TARGET = "mp/formation_energy_per_atom"
UNIT = "eV/atom"
HOSTILE = "<script>alert('id')</script>\"'&"
VOID = {"meta", "link", "br", "img", "input", "hr"}

Numbers = NDArray[np.float64]


# A run folder as a run writes it ------------------------------------------------------------------


@dataclass
class Sample:
    """Labels and predictions of one target, and everything that follows from them."""

    labels: Numbers
    predictions: Numbers
    mean: float = -1.25
    ids: list[str] = field(default_factory=list)
    unit: str = UNIT
    kind: str = "scalar"

    def __post_init__(self) -> None:
        """Name the crystals."""
        self.ids = self.ids or [f"mp-{100 + 7 * i}" for i in range(len(self.labels))]

    def metrics(self, predictions: Numbers | None = None) -> dict[str, Any]:
        """Return the metrics of predictions; None: of the model's."""
        errors = (self.predictions if predictions is None else predictions) - self.labels
        spread = ((self.labels - self.labels.mean()) ** 2).sum()
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float((errors**2).mean() ** 0.5),
            "mse": float((errors**2).mean()),
            "r2": float(1 - (errors**2).sum() / spread) if spread else None,
            "skill": float(1 - np.abs(errors).mean() / np.abs(self.labels - self.mean).mean()),
            "unit": self.unit,
            "count": len(set(self.ids)),
        }

    def baselines(self) -> dict[str, Any]:
        """Return the metrics of predicting the mean and the median."""
        constants = {"mean": self.mean, "median": float(np.median(self.labels))}
        return {
            name: self.metrics(np.full_like(self.labels, value))
            for name, value in constants.items()
        }


def draw_sample(size: int = 200, seed: int = 0, error: float = 0.1) -> Sample:
    """Draw formation energies and predictions with Laplace errors, eV/atom."""
    random = np.random.default_rng(seed)
    labels = random.normal(-1.2, 1.0, size)
    return Sample(labels, labels + random.laplace(0.0, error, size))


def history(epochs: int, samples: dict[str, Sample]) -> list[dict[str, Any]]:
    """Return rows of ``metrics.csv``: a loss that falls and a schedule that rises and falls."""
    rows = []
    for epoch in range(epochs):
        level = 0.8 * 0.8**epoch + 0.1
        row = {
            "epoch": epoch,
            "step": 10 * (epoch + 1),
            "seconds": 5.0 + 4.0 * epoch,
            "learning_rate": 2e-3 * np.sin(np.pi * (epoch + 1) / (epochs + 1)),
            "train/loss": level,
            "validation/loss": 1.1 * level,
        }
        row |= {f"validation/{key}/mae": 1.2 * level for key in samples}
        rows.append(row)
    return rows


def summary(samples: dict[str, Sample], epochs: int) -> dict[str, Any]:
    """Return ``run.json``."""
    labels: dict[str, dict[str, Any]] = {}
    for key, sample in samples.items():
        dataset, _, label = key.partition("/")
        labels.setdefault(dataset, {})[label] = {
            "kind": sample.kind,
            "unit": sample.unit,
            "description": "Energy of the crystal less that of its elements.",
        }
    return {
        "status": "finished",
        "command": "matsciml run --dataset mp --encoder megnet",
        "started": "2026-03-01T09:30:00+00:00",
        "wall_seconds": 231.4,
        "seed": 7,
        "epochs": epochs,
        "best_epoch": epochs,
        "versions": {"python": "3.11.7", "torch": "2.13.0"},
        "plugins": {"matsciml-data-mp": "0.1.0"},
        "hardware": {
            "device": "cpu",
            "cpu": "Some CPU",
            "cores": 2,
            "threads": 1,
            "memory_gib": 23.46,
            "gpu": None,
        },
        "parameters": {
            "encoder": 184304,
            "heads": dict.fromkeys(samples, 12417),
            "total": 184304 + 12417 * len(samples),
        },
        "datasets": {
            dataset: {
                "source": "Materials Project",
                "release": "2018",
                "licence": "CC-BY-4.0",
                "content_hash": "2a4fc6ef" * 8,
                "split": {
                    "algorithm": "stratified by crystal system",
                    "seed": 3,
                    "hash": "aaf704d7" * 8,
                    "sizes": {"train": 1600, "validation": 200, "test": 200},
                },
                "dropped": {"train": 31, "validation": 4, "test": 5},
                "labels": found,
            }
            for dataset, found in labels.items()
        },
        "heads": {
            key: {"mean": sample.mean, "std": 1.04, "median": -1.1}
            for key, sample in samples.items()
        },
        "metrics": {
            "test": {key: sample.metrics() for key, sample in samples.items()},
            "validation": {key: sample.metrics() for key, sample in samples.items()},
        },
        "baselines": {key: sample.baselines() for key, sample in samples.items()},
        "citations": [
            "@article{chen2019,\n  author = {Chen, Chi and Ye, Weike},\n"
            "  title = {{Graph Networks}},\n  journal = {Chem. Mater. 31},\n"
            "  year = {2019},\n  doi = {10.1021/acs.chemmater.9b01294}\n}"
        ],
    }


@dataclass
class RunFolder:
    """A run folder that a test can bend before it writes the report."""

    path: Path
    samples: dict[str, Sample] = field(default_factory=lambda: {TARGET: draw_sample()})
    epochs: int = 6
    change: Callable[[dict[str, Any]], object] = lambda data: None

    def write(self) -> Path:
        """Write the folder's four files and return it."""
        self.path.mkdir(exist_ok=True)
        config = {
            "datasets": [
                {"name": name} for name in dict.fromkeys(key.split("/")[0] for key in self.samples)
            ],
            "encoder": {"name": "megnet", "cutoff": 5.0},
            "strategy": {"name": "single"},
            "training": {"batch_size": 32, "learning_rate": 2e-3, "schedule": "one-cycle"},
        }
        (self.path / CONFIG).write_text(yaml.safe_dump(config), encoding="utf-8")
        data = summary(self.samples, self.epochs)
        self.change(data)
        (self.path / SUMMARY).write_text(json.dumps(data), encoding="utf-8")
        write_rows(self.path / METRICS, history(self.epochs, self.samples))
        write_rows(self.path / PREDICTIONS, list(self.prediction_rows()))
        return self.path

    def prediction_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the predictions file."""
        for key, sample in self.samples.items():
            dataset, _, target = key.partition("/")
            for name, label, value in zip(
                sample.ids, sample.labels, sample.predictions, strict=True
            ):
                row = {"dataset": dataset, "target": target, "id": name, "index": 0}
                yield {**row, "label": repr(float(label)), "prediction": repr(float(value))}

    def page(self) -> Page:
        """Write everything and read the page."""
        return read_page(write_report(self.write()))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a CSV file with the columns of the first row."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else ["epoch", "step"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    """A finished run of 6 epochs with 200 test crystals."""
    return RunFolder(tmp_path / "20260301-093000-mp-megnet")


# A page as a browser reads it ---------------------------------------------------------------------


@dataclass
class Element:
    """An element of the page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    text: str = ""

    def inside(self, name: str) -> bool:
        """Whether the element lies in the section, or other element, with this id."""
        return self.attributes.get("id") == name or (
            self.parent is not None and self.parent.inside(name)
        )


class Page(HTMLParser):
    """The elements of a page; refuses one whose tags do not nest."""

    def __init__(self, source: str) -> None:
        """Parse the page."""
        super().__init__()
        self.source = source
        self.elements: list[Element] = []
        self.current: Element | None = None
        self.feed(source)
        self.close()
        assert self.current is None, f"<{self.current and self.current.tag}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs}, self.current)
        self.elements.append(element)
        if tag not in VOID:
            self.current = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element that closes itself, as SVG allows."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self.current is not None, f"</{tag}> closes nothing"
        assert self.current.tag == tag, f"</{tag}> closes <{self.current.tag}>"
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        """Give text to all elements around it."""
        element = self.current
        while element is not None:
            element.text += data
            element = element.parent

    def find(self, tag: str, within: str = "", **attributes: str) -> list[Element]:
        """Return elements by tag, enclosing id and attributes (``class_`` for ``class``)."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag
            and (not within or element.inside(within))
            and wanted.items() <= element.attributes.items()
        ]

    def text(self, tag: str, within: str = "", **attributes: str) -> list[str]:
        """Return the texts of elements, with single spaces."""
        return [squeeze(element.text) for element in self.find(tag, within, **attributes)]

    def section(self, name: str) -> str:
        """Return the text of a section."""
        (section,) = self.find("section", id=name)
        return squeeze(section.text)

    def rows(self, within: str) -> list[list[str]]:
        """Return the cells of the body rows of all tables in a section."""
        rows: dict[int, list[str]] = {}
        for element in self.elements:
            if element.tag in ("td", "th") and element.inside(within) and element.parent:
                rows.setdefault(id(element.parent), []).append(squeeze(element.text))
        return list(rows.values())

    @property
    def alternatives(self) -> list[str]:
        """The figures in words."""
        return [svg.attributes["aria-label"].replace("\u00a0", " ") for svg in self.find("svg")]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures empty but for their words, which saves most of a report's time."""
    element = Markup('<svg role="img" aria-label="{}"></svg>')
    monkeypatch.setattr(svg, "to_svg", lambda figure, words: element.format(words))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a finished run of 6 epochs with 200 test crystals; not to be changed."""
    return RunFolder(tmp_path_factory.mktemp("report") / "20260301-093000-mp-megnet").page()


@pytest.fixture(scope="module")
def sample() -> Sample:
    """What the run behind ``page`` predicted."""
    return draw_sample()


def squeeze(text: str) -> str:
    """Return text with single, breaking spaces."""
    return " ".join(text.split())


def read_page(path: Path) -> Page:
    """Parse a page."""
    return Page(path.read_text(encoding="utf-8"))


def three_digits(value: float) -> str:
    """Write a number between 0.001 and 10 with three significant digits."""
    return f"{value:#.3g}"


# What it says -------------------------------------------------------------------------------------


def test_report_lies_in_the_run_folder_and_is_small(run_folder: RunFolder) -> None:
    path = write_report(run_folder.write())
    assert path == run_folder.path / "report.html"
    assert 20_000 < path.stat().st_size < 300_000
    assert not list(run_folder.path.glob("*.part"))


def test_headline_sets_the_error_beside_predict_the_mean(page: Page, sample: Sample) -> None:
    model, mean = sample.metrics()["mae"], sample.baselines()["mean"]["mae"]
    assert page.text("h1") == ["megnet on mp: formation energy per atom"]
    assert page.text("p", class_="value") == [f"{three_digits(model)} eV/atom"]
    (caption,) = page.text("p", class_="value-caption")
    assert caption == (
        f"Mean absolute error on 200 test crystals — {three_digits(mean / model)} times smaller "
        f"than predicting the mean ({three_digits(mean)} eV/atom)"
    )


def test_bars_are_as_long_as_the_errors(page: Page, sample: Sample) -> None:
    assert page.text("span", class_="bar-name") == [
        "Model",
        "Predicting the mean",
        "Predicting the median",
    ]
    styles = [item.attributes["style"] for item in page.find("span") if "style" in item.attributes]
    lengths = [float(re.fullmatch(r"width: ([\d.]+)%", style).group(1)) for style in styles]  # type: ignore[union-attr]
    errors = [sample.metrics()["mae"], *(found["mae"] for found in sample.baselines().values())]
    assert lengths == pytest.approx([100 * error / max(errors) for error in errors], abs=0.01)


def test_metrics_table_has_units_and_baselines(page: Page, sample: Sample) -> None:
    header, *rows = page.rows("results")
    assert header == [
        "Metric",
        "Model",
        "Predicting the mean",
        "Predicting the median",
        "Model, validation part",
    ]
    assert [row[0] for row in rows] == [
        "Mean absolute error (MAE), eV/atom",
        "Root mean square error (RMSE), eV/atom",
        "Mean square error (MSE), (eV/atom)²",
        "Coefficient of determination (R²)",
        "Skill",
    ]
    median = sample.baselines()["median"]
    assert rows[0][3] == three_digits(median["mae"])
    assert rows[2][1] == number(sample.metrics()["mse"])
    assert rows[4][2] == "0"


@pytest.mark.usefixtures("undrawn")
def test_metric_the_report_does_not_know_is_shown(run_folder: RunFolder) -> None:
    run_folder.change = lambda data: data["metrics"]["test"][TARGET].update(force_cosine=0.87654)
    rows = run_folder.page().rows("results")
    assert ["Force cosine", "0.877", "—", "—", "—"] in rows


def test_learning_curves_in_words(page: Page, sample: Sample) -> None:
    titles = page.text("div", "learning", class_="figure-title")
    assert titles == ["Loss", "Learning rate", "Validation MAE"]
    rows = history(6, {TARGET: sample})
    first, last = (row[f"validation/{TARGET}/mae"] for row in (rows[0], rows[-1]))
    mean = sample.baselines()["mean"]["mae"]
    assert (
        f"Validation MAE, by epoch. Model: {three_digits(first)} eV/atom after epoch 1, "
        f"{three_digits(last)} eV/atom after epoch 6. Dashed: predicting the mean, "
        f"{three_digits(mean)} eV/atom."
    ) in page.alternatives
    assert "A ring marks epoch 6" in page.section("learning")


@pytest.mark.usefixtures("undrawn")
def test_validation_level_follows_from_the_validation_part(run_folder: RunFolder) -> None:
    """Its predict-the-mean differs from the test part's."""
    run_folder.change = lambda data: data["metrics"]["validation"][TARGET].update(
        mae=0.3, skill=0.4
    )
    assert "Dashed: predicting the mean, 0.500 eV/atom." in run_folder.page().section("learning")


@pytest.mark.usefixtures("undrawn")
def test_validation_level_falls_back_to_the_test_part(run_folder: RunFolder) -> None:
    run_folder.change = lambda data: data["metrics"].pop("validation")
    mean = run_folder.samples[TARGET].baselines()["mean"]["mae"]
    expected = f"Dashed: predicting the mean (test part), {three_digits(mean)} eV/atom."
    assert expected in run_folder.page().section("learning")


@pytest.mark.usefixtures("undrawn")
def test_empty_cells_of_the_history_are_skipped(run_folder: RunFolder) -> None:
    folder = run_folder.write()
    rows = history(4, run_folder.samples)
    for row in rows[:2]:
        row["validation/loss"] = ""
    write_rows(folder / METRICS, rows)
    page = read_page(write_report(folder))
    expected = [f"{1.1 * (0.8 * 0.8**epoch + 0.1):.3f}" for epoch in (2, 3)]
    assert f"Validation: {expected[0]} after epoch 3, {expected[1]} after epoch 4." in (
        page.section("learning")
    )


def test_prediction_figures_in_words(page: Page, sample: Sample) -> None:
    errors = np.abs(sample.predictions - sample.labels)
    parity, histogram, shares = page.alternatives[3:]
    assert parity.startswith("Predicted against labelled formation energy per atom for 200 crystal")
    assert f"from {number(float(sample.labels.min()))} to " in parity
    assert f"within {three_digits(np.quantile(errors, 0.9))} eV/atom" in parity
    assert f"Half of the errors are at most {number(float(np.median(errors)))} eV/atom" in histogram
    assert f"80.0 % of the crystals are within {number(float(np.quantile(errors, 0.8)))}" in (
        shares.replace("80 %", "80.0 %")
    )
    assert "predicting the mean brings" in shares


@pytest.mark.parametrize(("size", "density"), [(500, False), (501, True)])
def test_many_points_are_drawn_as_a_density(
    run_folder: RunFolder, size: int, density: bool
) -> None:
    run_folder.samples = {TARGET: draw_sample(size)}
    page = run_folder.page()
    assert ("crystals per cell" in page.section("predictions")) is density
    assert ("var(--density-7)" in page.source.partition("</style>")[2]) is density


def test_density_of_many_values_stays_small(run_folder: RunFolder) -> None:
    run_folder.samples = {TARGET: draw_sample(20_000, error=1.0)}
    assert write_report(run_folder.write()).stat().st_size < 500_000


def test_wild_predictions_do_not_squeeze_the_parity_plot(run_folder: RunFolder) -> None:
    sample = run_folder.samples[TARGET]
    sample.predictions[:3] = [1e6, -1e5, 1e9]
    assert "3 crystals lie beyond the axes." in run_folder.page().section("predictions")


def test_worst_crystals_are_listed_worst_first(page: Page, sample: Sample) -> None:
    errors = sample.predictions - sample.labels
    order = np.argsort(-np.abs(errors))[:10]
    header, *rows = page.rows("predictions")
    assert header == ["Crystal", "Label (eV/atom)", "Prediction (eV/atom)", "Error (eV/atom)"]
    assert [row[0] for row in rows] == [sample.ids[place] for place in order]
    assert rows[0][1] == number(float(sample.labels[order[0]]))
    assert rows[0][3] == number(float(errors[order[0]]), signed=True)


@pytest.mark.usefixtures("undrawn")
def test_worst_crystal_with_several_values_is_listed_once(run_folder: RunFolder) -> None:
    random = np.random.default_rng(1)
    labels = random.normal(0.0, 1.0, 300)
    ids = [f"c{i // 30}" for i in range(300)]
    forces = Sample(labels, labels + random.normal(0.0, 0.2, 300), 0.0, ids, "eV/Å", "forces")
    run_folder.samples = {"lips/forces": forces}
    page = run_folder.page()
    names = [row[0] for row in page.rows("predictions")]
    assert sorted(name for name in names if name in ids) == sorted(set(ids))
    text = page.section("predictions")
    assert "300 values" in text
    assert "standard error" not in text
    assert "of each crystal, the worst of its values" in text


@pytest.mark.usefixtures("undrawn")
def test_predictions_that_are_not_finite_are_counted_and_left_out(run_folder: RunFolder) -> None:
    sample = run_folder.samples[TARGET]
    sample.predictions[:2] = [np.nan, np.inf]
    run_folder.change = lambda data: data["metrics"]["test"][TARGET].update(mae=None)
    page = run_folder.page()
    assert page.text("p", class_="value") == ["—"]
    text = page.section("predictions")
    assert "Predictions that are no finite number, left out2" in text
    assert "198 crystals" in text


@pytest.mark.usefixtures("undrawn")
def test_only_unusable_predictions_are_said_to_be(run_folder: RunFolder) -> None:
    run_folder.samples[TARGET].predictions[:] = np.nan
    run_folder.change = lambda data: data["metrics"]["test"][TARGET].update(mae=None)
    text = run_folder.page().section("predictions")
    assert "None of the 200 predictions is a finite number." in text


def test_data_card(page: Page) -> None:
    text = page.section("data")
    for expected in ("Materials Project", "2018", "CC-BY-4.0", "stratified by crystal system"):
        assert expected in text
    assert "aaf704d7" * 8 in text
    assert "2a4fc6ef" * 8 in text
    assert "Energy of the crystal less that of its elements." in text
    assert ["train", "1,600", "80.0 %", "31"] in page.rows("data")
    assert ["test", "200", "10.0 %", "5"] in page.rows("data")
    assert "crystals of the part for which the source has no formation energy per atom" in text


def test_model_card(page: Page) -> None:
    rows = page.rows("model")
    assert ["Encoder", "184,304"] in rows
    assert ["Head", "12,417"] in rows
    assert ["Total", "196,721"] in rows
    assert ["mean", "−1.25"] in rows
    text = page.section("model")
    assert "Constants fitted on the training part (labels in eV/atom)" in text
    assert "32 crystals" in text
    assert "6; the weights of epoch 6, the lowest validation loss, were tested" in text


def test_cost_card(page: Page) -> None:
    text = page.section("cost")
    assert "Wall time3 min 51 s" in squeeze(text.replace("\n", " "))
    # 1,600 crystals per epoch, 4 s per epoch.
    assert "400 structures/s (validation included, first epoch excluded)" in text
    assert "23.5 GiB" in text
    assert "none used" in text
    assert "Some CPU" in text


@pytest.mark.usefixtures("undrawn")
def test_no_speed_is_claimed_for_several_datasets(run_folder: RunFolder) -> None:
    """An epoch then does not visit every crystal once."""
    run_folder.samples = {TARGET: draw_sample(), "oqmd/energy": draw_sample(seed=1)}
    assert "structures/s" not in run_folder.page().section("cost")


def test_provenance(page: Page) -> None:
    text = page.section("provenance")
    assert "2026-03-01 09:30 UTC" in text
    assert "20260301-093000-mp-megnet" in text
    assert ["torch", "2.13.0"] in page.rows("provenance")
    assert ["matsciml-data-mp", "0.1.0"] in page.rows("provenance")
    assert page.text("pre", id="command") == ["matsciml run --dataset mp --encoder megnet"]
    (config,) = page.find("pre", id="config")
    assert yaml.safe_load(config.text)["encoder"] == {"name": "megnet", "cutoff": 5.0}


def test_citations_as_bibtex_and_as_links(page: Page) -> None:
    (link,) = page.find("a", "citation")
    assert link.attributes["href"] == "https://doi.org/10.1021/acs.chemmater.9b01294"
    assert "Chen et al., Graph Networks, Chem. Mater. 31, 2019" in page.section("citation")
    (bibtex,) = page.find("pre", id="bibtex")
    assert bibtex.text == summary({}, 1)["citations"][0]


@pytest.mark.usefixtures("undrawn")
def test_doi_that_is_none_becomes_no_link(run_folder: RunFolder) -> None:
    entry = '@misc{x,\n  title = {T},\n  doi = {10.1/a" onclick="alert(1)}\n}'
    run_folder.change = lambda data: data.update(citations=[entry])
    assert not run_folder.page().find("a", "citation")


@pytest.mark.usefixtures("undrawn")
def test_run_that_is_not_finished_says_so(run_folder: RunFolder) -> None:
    run_folder.change = lambda data: data.update(status="interrupted")
    (notice,) = run_folder.page().text("p", role="note")
    assert notice == "This run is interrupted, not finished; its numbers may change."


def test_finished_run_has_no_notice(page: Page) -> None:
    assert not page.find("p", role="note")


# Several targets, and other kinds -----------------------------------------------------------------


def test_several_targets_each_have_their_place(run_folder: RunFolder) -> None:
    gap = draw_sample(100, seed=2)
    gap.unit = "eV"
    run_folder.samples = {TARGET: draw_sample(), "mp/band_gap": gap}
    page = run_folder.page()
    assert page.text("h1") == ["megnet on mp: 2 targets"]
    assert page.text("h2", class_="headline-target") == [
        "formation energy per atom, mp",
        "band gap, mp",
    ]
    assert [text.split()[-1] for text in page.text("p", class_="value")] == ["eV/atom", "eV"]
    assert "Mean square error (MSE), eV²" in page.section("results")
    assert "Validation MAE, band gap" in page.section("learning")
    assert len(page.find("svg")) == 2 + 2 + 6
    assert "Head of mp/band gap" in page.section("model")


@pytest.mark.usefixtures("undrawn")
def test_target_without_unit(run_folder: RunFolder) -> None:
    run_folder.samples[TARGET].unit = "dimensionless"
    page = run_folder.page()
    assert "dimensionless" not in page.source
    assert page.rows("predictions")[0] == ["Crystal", "Label", "Prediction", "Error"]


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_have_their_own_headline_and_no_parity_plot(
    run_folder: RunFolder, kind: str
) -> None:
    classes = np.arange(50, dtype=np.float64) % 2
    run_folder.samples = {"mp/is_stable": Sample(classes, classes, unit="class", kind=kind)}

    def change(data: dict[str, Any]) -> None:
        found = {"balanced_accuracy": 0.75, "accuracy": 0.81234, "unit": "class", "count": 50}
        data["metrics"] = {"test": {"mp/is_stable": found}}
        data["baselines"] = {"mp/is_stable": {"majority": {"accuracy": 0.5, "unit": "class"}}}

    run_folder.change = change
    page = run_folder.page()
    assert page.text("p", class_="value") == ["0.812"]
    (caption,) = page.text("p", class_="value-caption")
    assert caption == (
        "Accuracy on 50 test crystals — beside predicting the majority class (0.500)"
    )
    assert ["Balanced accuracy", "0.750", "—"] in page.rows("results")
    (figure,) = page.find("svg", "predictions")
    assert figure.attributes["aria-label"].startswith("Confusion matrix. 100\u00a0% of 50 crystals")
    assert ["0", "25", "25", "100 %", "100 %"] in page.rows("predictions")


# Runs that lack something -------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
def test_one_epoch_has_no_curve_but_its_numbers(run_folder: RunFolder) -> None:
    run_folder.epochs = 1
    page = run_folder.page()
    assert not page.find("svg", "learning")
    assert page.section("learning") == (
        "Learning The run has one epoch, and a curve needs two. "
        "Loss after it: training 0.900, validation 0.990."
    )
    assert "structures/s" not in page.section("cost")
    assert len(page.find("svg", "predictions")) == 3


@pytest.mark.usefixtures("undrawn")
def test_no_epoch_at_all(run_folder: RunFolder) -> None:
    run_folder.epochs = 0
    assert "metrics.csv holds no epoch" in run_folder.page().section("learning")


@pytest.mark.usefixtures("undrawn")
def test_history_without_losses_still_shows_the_metric(run_folder: RunFolder) -> None:
    folder = run_folder.write()
    rows = history(3, run_folder.samples)
    for row in rows:
        del row["train/loss"], row["validation/loss"]
    write_rows(folder / METRICS, rows)
    page = read_page(write_report(folder))
    assert "Loss: a curve needs at least two epochs with a value." in page.section("learning")
    assert "Validation MAE" in page.text("div", "learning", class_="figure-title")


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("name", [CONFIG, METRICS, PREDICTIONS, SUMMARY])
def test_missing_file_is_named(run_folder: RunFolder, name: str) -> None:
    folder = run_folder.write()
    (folder / name).unlink()
    page = read_page(write_report(folder))
    assert f"The run folder has no {name}." in squeeze(" ".join(page.text("body")))


@pytest.mark.usefixtures("undrawn")
def test_run_that_was_stopped_shows_what_it_has(run_folder: RunFolder) -> None:
    """A run writes its summary and predictions last."""
    folder = run_folder.write()
    (folder / SUMMARY).unlink()
    (folder / PREDICTIONS).unlink()
    page = read_page(write_report(folder))
    assert page.text("h1") == ["megnet on mp"]
    assert page.text("p", role="note") == ["The run folder has no run.json."]
    assert page.text("div", "learning", class_="figure-title") == ["Loss", "Learning rate"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (CONFIG, "a: [", "config.yaml could not be read"),
        (CONFIG, "- 1", "config.yaml could not be read: it is not a mapping of settings."),
        (SUMMARY, "{", "run.json could not be read"),
        (SUMMARY, "[]", "run.json could not be read: it is not a mapping."),
        (METRICS, "a,b\n1,2\n", "metrics.csv could not be read: it has no column 'epoch'."),
        (METRICS, "epoch,train/loss\n0,much\n", "metrics.csv could not be read"),
        (PREDICTIONS, "id,label\nx,1\n", "predictions-test.csv could not be read"),
        (PREDICTIONS, "", "predictions-test.csv has no row for mp/formation_energy_per_atom."),
    ],
)
def test_damaged_file_is_named(run_folder: RunFolder, name: str, content: str, reason: str) -> None:
    folder = run_folder.write()
    (folder / name).write_text(content, encoding="utf-8")
    assert reason in squeeze(" ".join(read_page(write_report(folder)).text("body")))


@pytest.mark.usefixtures("undrawn")
def test_summary_with_parts_of_other_types(run_folder: RunFolder) -> None:
    folder = run_folder.write()
    data = {"metrics": [1], "datasets": "mp", "heads": None, "citations": 3, "best_epoch": "x"}
    (folder / SUMMARY).write_text(json.dumps(data), encoding="utf-8")
    page = read_page(write_report(folder))
    assert "The run recorded no test metrics." in page.section("results")
    assert "The run recorded no dataset." in page.section("data")


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a run folder"):
        write_report(tmp_path)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_few_crystals(run_folder: RunFolder, size: int) -> None:
    run_folder.samples = {TARGET: draw_sample(size)}
    page = run_folder.page()
    assert len(page.find("svg", "predictions")) == 3
    assert ("Its standard error" in page.section("predictions")) is (size > 1)


def test_perfect_predictions(run_folder: RunFolder) -> None:
    sample = run_folder.samples[TARGET]
    sample.predictions[:] = sample.labels
    page = run_folder.page()
    assert page.text("p", class_="value") == ["0 eV/atom"]
    assert "every error is exactly zero" in page.section("predictions")


def test_equal_labels(run_folder: RunFolder) -> None:
    run_folder.samples[TARGET].labels[:] = 2.0
    assert "Labels run from 2.00 to 2.00 eV/atom" in run_folder.page().alternatives[3]


@pytest.mark.usefixtures("undrawn")
def test_baselines_that_were_not_recorded(run_folder: RunFolder) -> None:
    run_folder.change = lambda data: (data.pop("baselines"), data["metrics"].pop("validation"))
    page = run_folder.page()
    assert page.text("p", class_="value-caption") == ["Mean absolute error on 200 test crystals"]
    assert "Dashed" not in page.section("learning")


# The page as a document ---------------------------------------------------------------------------


def test_page_loads_nothing(page: Page) -> None:
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


def test_policy_admits_the_pages_own_script_and_no_other(page: Page) -> None:
    (script,) = page.find("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert f"script-src 'sha256-{digest}'" in policy.attributes["content"]
    assert "default-src 'none'" in policy.attributes["content"]
    assert not [name for item in page.elements for name in item.attributes if name[:2] == "on"]


def test_hostile_text_is_escaped_everywhere(run_folder: RunFolder) -> None:
    sample = run_folder.samples[TARGET]
    sample.ids[:] = [f"{HOSTILE}{place}\u2028{{{{ 7 * 7 }}}}" for place in range(len(sample.ids))]

    def change(data: dict[str, Any]) -> None:
        data |= {"command": HOSTILE, "status": HOSTILE, "citations": [HOSTILE], "started": HOSTILE}
        data["versions"][HOSTILE] = HOSTILE
        data["hardware"]["cpu"] = HOSTILE
        data["datasets"]["mp"]["source"] = HOSTILE
        data["datasets"]["mp"]["labels"][HOSTILE] = {"unit": HOSTILE, "description": HOSTILE}
        data["heads"][TARGET][HOSTILE] = 1.0
        data["metrics"]["test"][TARGET] |= {"unit": HOSTILE, HOSTILE: 1.0}
        data["baselines"][TARGET][HOSTILE] = {"mae": 1.0}

    run_folder.change = change
    page = run_folder.page()
    assert len(page.find("script")) == 1
    assert "<script>alert" not in page.source
    assert HOSTILE in page.section("predictions")
    assert "{{ 7 * 7 }}" in page.section("predictions")
    assert page.text("pre", id="command") == [HOSTILE]


def test_hostile_target_and_dataset_names(run_folder: RunFolder) -> None:
    name = "mp$_{<b>&\"'/x$\\frac{"
    run_folder.samples = {name: draw_sample()}
    run_folder.samples[name].unit = "$\\frac{$"  # no formula for matplotlib to typeset
    page = run_folder.page()
    assert not page.find("b")
    assert "Label ($\\frac{$)" in page.section("predictions")
    assert "x$\\frac{" in page.text("h1")[0]


@pytest.mark.usefixtures("undrawn")
def test_ids_with_line_breaks_and_commas(run_folder: RunFolder) -> None:
    sample = run_folder.samples[TARGET]
    sample.ids[:] = [f'a,"b"\nc{place}' for place in range(len(sample.ids))]
    assert 'a,"b" c' in run_folder.page().rows("predictions")[1][0]


def test_letters_that_matplotlib_has_no_font_for(run_folder: RunFolder) -> None:
    run_folder.samples[TARGET].unit = "電子"
    assert "Label (電子)" in run_folder.page().section("predictions")


def test_ids_are_unique_and_references_resolve(run_folder: RunFolder) -> None:
    run_folder.samples = {TARGET: draw_sample(600), "mp/band_gap": draw_sample(600, seed=3)}
    page = run_folder.page()
    names = [item.attributes["id"] for item in page.elements if "id" in item.attributes]
    assert len(names) == len(set(names))
    known = set(names)
    for element in page.elements:
        for attribute in ("href", "aria-labelledby", "data-copy", "clip-path"):
            value = element.attributes.get(attribute, "")
            local = value.removeprefix("url(").removesuffix(")").removeprefix("#")
            if value and not value.startswith(("https:", "data:")):
                assert local in known, element


def test_page_can_be_read_without_seeing_it(page: Page) -> None:
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
        assert "Copy the" in squeeze(button.text)
    levels = [int(item.tag[1]) for item in page.elements if re.fullmatch(r"h\d", item.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_copy_buttons_are_hidden_until_the_script_runs(page: Page) -> None:
    buttons = page.find("button")
    assert len(buttons) == 3
    assert all("hidden" in button.attributes for button in buttons)


def test_figures_take_their_colours_from_the_page(run_folder: RunFolder) -> None:
    run_folder.samples = {TARGET: draw_sample(600)}
    page = run_folder.page()
    drawn = [item.attributes.get("style", "") for item in page.elements if item.inside("content")]
    assert not [style for style in drawn if re.search(r"#[0-9a-f]{3,6}\b", style)]
    used = set(re.findall(r"var\((--[\w-]+)\)", " ".join(drawn)))
    assert {"--model", "--second", "--baseline", "--ink", "--grid", "--density-1"} <= used
    light, dark = palettes()
    assert used <= light.keys()
    assert used <= dark.keys()


def palettes() -> tuple[dict[str, str], dict[str, str]]:
    """Return the light and the dark colours of the style sheet."""
    style = files("matsciml_util_pages").joinpath("page.css").read_text("utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    found = [dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block)) for block in (light, dark)]
    return found[0], found[1]


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


def test_same_run_gives_the_same_page_whatever_the_users_style(run_folder: RunFolder) -> None:
    first = write_report(run_folder.write()).read_text(encoding="utf-8")
    with mpl.rc_context(
        {"font.size": 40, "axes.xmargin": 0.4, "axes.facecolor": "red", "svg.fonttype": "path"}
    ):
        second = write_report(run_folder.path).read_text(encoding="utf-8")
        assert mpl.rcParams["font.size"] == 40
    assert first == second


@pytest.mark.usefixtures("undrawn")
def test_second_report_replaces_the_first(run_folder: RunFolder) -> None:
    path = write_report(run_folder.write())
    path.write_text("old", encoding="utf-8")
    assert write_report(run_folder.path) == path
    assert "megnet on mp" in path.read_text(encoding="utf-8")


# Numbers and statistics ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.15249, "0.152"),
        (0.99996, "1.00"),
        (-12.345, "−12.3"),
        (999.6, "1,000"),
        (12345.0, "12,300"),
        (0.001, "0.00100"),
        (0.0009996, "0.00100"),
        (0.000123456, "1.23 × 10⁻⁴"),
        (-2.5e12, "−2.50 × 10¹²"),
        (float("nan"), "—"),
        (float("inf"), "—"),
        (None, "—"),
        ("text", "—"),
    ],
)
def test_number(value: object, text: str) -> None:
    assert number(value).replace("\u00a0", " ") == text


def test_numbers_keep_three_digits_over_all_magnitudes() -> None:
    random = np.random.default_rng(5)
    for value in 10.0 ** random.uniform(-12, 12, 500) * random.choice([-1, 1], 500):
        text = number(float(value)).replace("−", "-").replace(",", "").replace("\u00a0", "")
        digits, _, exponent = text.partition("×10")
        plain = exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        assert float(f"{digits}e{plain or 0}") == pytest.approx(value, rel=0.0051)


def test_units() -> None:
    assert quantity(1.5, "eV/Å", signed=True) == "+1.50\u00a0eV/Å"
    assert quantity(1.5, "") == "1.50"
    assert quantity(None, "eV") == "—"
    assert [power("eV/Å³", 1), power("Å", 2), power("cm⁻¹", 2)] == ["eV/Å³", "Å²", "(cm⁻¹)²"]
    assert [count(1234567), count(None), counted(2, "value")] == ["1,234,567", "—", "2 values"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.500 s"),
        (59.4, "59.4 s"),
        (60, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (90000, "25 h 0 min"),
        (None, "—"),
    ],
)
def test_duration(seconds: object, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text


def test_moment_keeps_its_zone() -> None:
    assert moment("2026-03-01T09:30:59+05:30") == "2026-03-01 09:30 UTC+05:30"
    assert moment("yesterday") == "yesterday"


@pytest.mark.parametrize(
    ("name", "value", "reference", "text"),
    [
        ("mae", 0.152, 0.902, "5.93 times smaller than predicting the mean (0.902 eV/atom)"),
        ("mae", 1.2, 0.8, "1.50 times larger than predicting the mean (0.800 eV/atom)"),
        ("mae", 0.8, 0.801, "the same as predicting the mean (0.801 eV/atom)"),
        ("mae", 0.0, 0.8, "beside predicting the mean (0.800 eV/atom)"),
        ("mae", 0.5, None, "beside predicting the mean (—)"),
        ("accuracy", 0.9, 0.6, "beside predicting the mean (0.600)"),
    ],
)
def test_comparison(name: str, value: object, reference: object, text: str) -> None:
    assert comparison(name, value, "mean", reference, UNIT).replace("\u00a0", " ") == text


def test_metric_units_follow_the_label() -> None:
    assert metric_info("mse").quantity(0.25, "eV") == "0.250\u00a0eV²"
    assert metric_info("r2").quantity(0.25, "eV") == "0.250"


def predictions(
    errors: list[float], ids: list[str] | None = None, labels: float = 1.0
) -> Predictions:
    """Return predictions with given errors."""
    names = tuple(ids or [f"c{place}" for place in range(len(errors))])
    truth = np.full(len(errors), labels)
    return Predictions(names, truth, truth + np.array(errors), 0)


def test_error_summary_of_known_errors() -> None:
    found = summarise(predictions([1.0, -3.0, 2.0, -2.0]))
    assert found.bias == -0.5
    assert found.half == 2.0
    assert found.largest == 3.0
    # Absolute errors 1 3 2 2: sample variance 2/3.
    assert found.standard_error == pytest.approx((2 / 3) ** 0.5 / 2)


def test_standard_error_needs_independent_crystals() -> None:
    assert summarise(predictions([1.0, 2.0], ["a", "a"])).standard_error is None
    assert summarise(predictions([1.0])).standard_error is None


def test_worst_takes_the_worst_value_of_each_crystal() -> None:
    found = worst(predictions([0.1, -4.0, 3.0, 2.0], ["a", "a", "b", "a"]))
    assert [(item.id, item.error) for item in found] == [("a", -4.0), ("b", 3.0)]


def test_mean_errors_only_from_a_constant_that_is_the_mean() -> None:
    values = predictions([0.0, 0.0], labels=2.0)
    baselines = {"mean": {"mae": 1.5}}
    np.testing.assert_array_equal(mean_errors(values, {"mean": 0.5}, baselines), [1.5, 1.5])
    assert mean_errors(values, {"mean": 0.7}, baselines) is None
    assert mean_errors(values, {}, baselines) is None
    assert mean_errors(values, {"mean": 0.5}, {}) is None


def test_epochs_are_counted_from_one(run_folder: RunFolder) -> None:
    run = read_run(run_folder.write())
    np.testing.assert_array_equal(run.epochs, [1, 2, 3, 4, 5, 6])
    assert run.best_epoch == 6
