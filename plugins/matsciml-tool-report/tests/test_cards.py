"""What the report says about data, model, cost, provenance and citations."""

from __future__ import annotations

import pytest
import yaml

from matsciml_core import build_registry
from matsciml_tool_report.report import write_report
from matsciml_util_pages.testing.documents import Document, read_document, single_spaced
from matsciml_util_pages.testing.example_runs import (
    TARGET,
    ExampleRun,
    example_summary,
    example_target,
)


def test_data_card(page: Document) -> None:
    text = page.section("data")
    for expected in ("Materials Project", "2018", "CC-BY-4.0", "stratified by crystal system"):
        assert expected in text
    assert "aaf704d7" * 8 in text
    assert "2a4fc6ef" * 8 in text
    assert "Energy of the crystal less that of its elements." in text
    assert ["train", "1,600", "80.0 %", "31"] in page.rows("data")
    assert ["test", "200", "10.0 %", "5"] in page.rows("data")
    assert "crystals of the subset for which the source has no formation energy per atom" in text


def test_model_card(page: Document) -> None:
    rows = page.rows("model")
    assert ["Encoder", "184,304"] in rows
    assert ["Head", "12,417"] in rows
    assert ["Total", "196,721"] in rows
    assert ["mean", "−1.25"] in rows
    text = page.section("model")
    assert "Constants fitted on the training set (labels in eV/atom)" in text
    assert "32 crystals" in text
    assert "6; the weights of epoch 6, the lowest validation loss, were tested" in text


@pytest.mark.parametrize(
    ("tested", "words"),
    [
        ([2], "6; the weights of epoch 2 were tested, the lowest validation loss is of 6"),
        ([2, 3, 6], "6; the mean of the weights of epochs 2, 3, 6 was tested"),
        ("x", "6; the weights of epoch 6, the lowest validation loss, were tested"),
    ],
)
def test_other_weights_than_the_best(page_of, run: ExampleRun, tested, words) -> None:
    run.change = lambda summary: summary.update(tested_epochs=tested)
    assert words in page_of(run).section("model")


def test_the_mean_of_the_last_steps_stands_in_for_the_moving_average(run: ExampleRun) -> None:
    folder = run.write()
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    config["training"] |= {"average_decay": 0.995, "average_last": 0.25}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    text = single_spaced(read_document(write_report(folder, build_registry())).section("model"))
    assert "mean over the last 25.0 % of the steps" in text
    assert "decay per step" not in text


def test_cost_card(page: Document) -> None:
    text = page.section("cost")
    assert "Wall time3 min 51 s" in single_spaced(text.replace("\n", " "))
    # 1,600 crystals per epoch, 4 s per epoch.
    assert "400 structures/s (validation included, first epoch excluded)" in text
    assert "23.5 GiB" in text
    assert "none used" in text
    assert "Some CPU" in text


@pytest.mark.usefixtures("undrawn")
def test_no_speed_is_claimed_for_several_datasets(page_of, run: ExampleRun) -> None:
    """An epoch then does not visit every crystal once."""
    run.targets = {TARGET: example_target(), "oqmd/energy": example_target(seed=1)}
    assert "structures/s" not in page_of(run).section("cost")


def test_provenance(page: Document) -> None:
    text = page.section("provenance")
    assert "2026-03-01 09:30 UTC" in text
    assert "20260301-093000-mp-megnet" in text
    assert ["torch", "2.13.0"] in page.rows("provenance")
    assert ["matsciml-data-mp", "0.1.0"] in page.rows("provenance")
    assert page.text("pre", id="command") == ["matsciml run --dataset mp --encoder megnet"]
    (config,) = page.find("pre", id="config")
    assert yaml.safe_load(config.text)["encoder"] == {"name": "megnet", "cutoff": 5.0}


def test_citations_as_bibtex_and_as_links(page: Document) -> None:
    (link,) = page.find("a", "citation")
    assert link.attributes["href"] == "https://doi.org/10.1021/acs.chemmater.9b01294"
    assert "Chen et al., Graph Networks, Chem. Mater. 31, 2019" in page.section("citation")
    (bibtex,) = page.find("pre", id="bibtex")
    assert bibtex.text == example_summary({}, 1)["citations"][0]


@pytest.mark.usefixtures("undrawn")
def test_doi_that_is_none_becomes_no_link(page_of, run: ExampleRun) -> None:
    entry = '@misc{x,\n  title = {T},\n  doi = {10.1/a" onclick="alert(1)}\n}'
    run.change = lambda data: data.update(citations=[entry])
    assert not page_of(run).find("a", "citation")
