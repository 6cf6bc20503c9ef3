"""Run folders as a run leaves them, and the reports of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from markupsafe import Markup

from matsciml_core.registry.manager import Registry
from matsciml_tool_report.report import write_report
from matsciml_util_pages import svg
from matsciml_util_pages.testing.documents import Document, read_document
from matsciml_util_pages.testing.example_runs import ExampleRun, ExampleTarget, example_target

SUMMARY: dict[str, Any] = {
    "status": "finished",
    "wall_seconds": 10.0,
    "parameters": {"total": 1234},
    "hardware": {"cpu": "Some CPU", "cores": 2, "gpu": None},
    "datasets": {
        "toy": {
            "labels": {"gap": {"kind": "scalar", "unit": "eV"}},
            "split": {"hash": "abc", "sizes": {"train": 80}},
        }
    },
    "heads": {"toy/gap": {"mean": 1.0, "std": 2.0}},
    "metrics": {
        "test": {"toy/gap": {"mse": 1.0, "mae": 0.5, "skill": 0.25, "unit": "eV", "count": 9}}
    },
    "baselines": {"toy/gap": {"mean": {"mse": 4.0, "mae": 1.5, "unit": "eV", "count": 9}}},
    "citations": ["@article{one, title={One}}"],
}
NAME = "20260301-093000-mp-megnet"
METRICS = "epoch,step,seconds,learning_rate,train/loss,validation/loss,validation/toy/gap/mae\n"


@pytest.fixture
def add_run(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a run folder into ``runs``."""

    def add(
        name: str,
        *,
        mae: float = 0.5,
        seed: int = 0,
        encoder: str = "net",
        split: str = "abc",
        epochs: int = 3,
        finished: bool = True,
    ) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        config = {
            "datasets": [{"name": "toy", "release": "old"}],
            "encoder": {"name": encoder, "width": 4},
            "strategy": {"name": "alone"},
            "training": {"epochs": epochs, "seed": seed},
            "output": "runs",
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        rows = [f"{one},1,{one},0.1,1.0,1.0,{mae + 1 / (one + 1)}\n" for one in range(epochs)]
        (folder / "metrics.csv").write_text(METRICS + "".join(rows), encoding="utf-8")
        if finished:
            summary = copy.deepcopy(SUMMARY)
            summary["metrics"]["test"]["toy/gap"]["mae"] = mae
            summary["datasets"]["toy"]["split"]["hash"] = split
            (folder / "run.json").write_text(json.dumps(summary), encoding="utf-8")
            (folder / "report.html").write_text("report", encoding="utf-8")
        return folder

    return add


@pytest.fixture
def run(tmp_path: Path) -> ExampleRun:
    """A finished run of 6 epochs with 200 test crystals, to be changed and written."""
    return ExampleRun(tmp_path / NAME)


@pytest.fixture(scope="session")
def write(registry: Registry) -> Callable[..., Path]:
    """Give a function that writes the report into a run folder, with datasets where there are."""
    return lambda folder, datasets=None: write_report(folder, registry, datasets)


@pytest.fixture(scope="session")
def page_of(write: Callable[..., Path]) -> Callable[[ExampleRun], Document]:
    """Give a function that writes a run and its report, and reads the page."""
    return lambda run: read_document(write(run.write()))


@pytest.fixture(scope="session")
def page(page_of: Callable[[ExampleRun], Document], tmp_path_factory) -> Document:
    """The page of a finished run of 6 epochs with 200 test crystals; not to be changed."""
    return page_of(ExampleRun(tmp_path_factory.mktemp("report") / NAME))


@pytest.fixture
def target() -> ExampleTarget:
    """What the run behind ``page`` predicted."""
    return example_target()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures empty but for their words, which saves most of a report's time."""
    element = Markup('<svg role="img" aria-label="{}"></svg>')
    monkeypatch.setattr(svg, "to_svg", lambda figure, words: element.format(words))
