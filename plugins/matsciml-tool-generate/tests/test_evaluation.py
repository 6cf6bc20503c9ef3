"""The whole evaluation: numbers by hand, JSON, and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.errors import ConfigError
from matsciml_core.testing.crystals import rutile
from matsciml_tool_generate import validity
from matsciml_tool_generate.baselines import without_model
from matsciml_tool_generate.coverage import Fingerprint
from matsciml_tool_generate.evaluation import (
    Evaluation,
    EvaluationInputs,
    EvaluationSettings,
    evaluate_crystals,
)
from matsciml_tool_generate.metrics_table import Measurements, published, tabulate
from matsciml_tool_generate.page import evaluation_page, write_results
from matsciml_tool_generate.stability import Stability
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.uniqueness import Duplicates
from matsciml_util_pages.pages import render
from matsciml_util_pages.testing.documents import Document


@pytest.fixture
def evaluation(
    salt: Callable[..., Crystal], nasty: list[ParsedStructure], monkeypatch: pytest.MonkeyPatch
) -> Evaluation:
    """Sixteen nasty ones, four sound ones of three kinds, two rejected; fingerprints made up."""

    def quick_fingerprint(crystal: Crystal) -> Fingerprint:
        return Fingerprint(
            structure=np.full(61, crystal.num_atoms / 100),
            composition=np.full(132, float(crystal.atomic_numbers.sum())),
        )

    monkeypatch.setattr(validity, "fingerprint", quick_fingerprint)
    monkeypatch.setattr(validity, "featurizers", lambda: None)
    sound = [salt(name="a <b>"), salt(name="again"), rutile(), salt(numbers=(19, 17), name="KCl")]
    wrap = ParsedStructure.from_crystal
    inputs = EvaluationInputs(
        generated=[*map(wrap, sound), *nasty],
        reference=[wrap(salt()), wrap(rutile())],
        training=[wrap(rutile())],
        rejected={"no atoms were predicted": 2},
        names={"generated": "new.extxyz", "reference": "mine:test", "training": "mine:train"},
    )
    return evaluate_crystals(inputs, EvaluationSettings(workers=1))


class TestNumbers:
    def test_metrics(self, evaluation: Evaluation) -> None:
        found = {one.key: one.value for one in evaluation.metrics}
        assert evaluation.sizes == {"generated": 22, "reference": 2, "training": 1}
        assert evaluation.valid == (0, 1, 2, 3, 18)
        assert [evaluation.validities[18].name] == ["huge"]
        assert found["structure_validity"] == pytest.approx(6 / 22)
        assert found["validity"] == pytest.approx(5 / 22)
        assert found["uniqueness"] == pytest.approx(3 / 5) or found["uniqueness"] == 4 / 5
        assert found["novelty"] == pytest.approx(4 / 5)
        assert found["coverage_recall"] == 1.0

    def test_reference_stands_beside(self, evaluation: Evaluation) -> None:
        assert {one.key: one.reference for one in evaluation.metrics if one.reference} == {
            "structure_validity": 1.0,
            "composition_validity": 1.0,
            "validity": 1.0,
        }

    def test_published_numbers(self, evaluation: Evaluation) -> None:
        found = {one.key: one.published for one in evaluation.metrics}
        assert found["coverage_recall"] == {"mp25": 0.9774, "mp20": 0.9915}
        assert found["elements_distance"] == {"mp20": 1.432}
        assert found["uniqueness"] == {}
        assert published()["mp25"]["values"]["structure_validity"] == 0.9974

    def test_faults_are_counted(self, evaluation: Evaluation) -> None:
        assert sum(evaluation.faults.values()) == 20 - len(evaluation.valid)
        assert evaluation.faults["an atomic number is not between 1 and 118"] == 4

    def test_json(self, evaluation: Evaluation) -> None:
        text = json.dumps(evaluation.as_data(), allow_nan=False)
        data = json.loads(text)
        assert data["schema"] == 1
        assert data["metrics"]["validity"]["value"] == pytest.approx(5 / 22)
        assert data["crystals"][1]["duplicate_of"] == "a <b>"
        assert data["crystals"][2]["in_training"] is True
        assert data["crystals"][2]["space_group"] == 136
        assert data["rejected"] == {"no atoms were predicted": 2}
        assert data["stability"] is None

    def test_stable_unique_and_novel(self, evaluation: Evaluation) -> None:
        """Of the five valid ones, one is a duplicate, one known, and one lies above the hull."""
        assert len(evaluation.valid) == 5
        above: list[float | None] = [None] * len(evaluation.validities)
        for index, energy in zip(evaluation.valid, (0.0, 0.05, 0.0, 0.2, 0.1), strict=True):
            above[index] = energy
        measured = Measurements(
            generated=evaluation.validities,
            reference=evaluation.reference,
            sizes=evaluation.sizes,
            coverage=None,
            duplicates=Duplicates(
                representative=(0, 0, 2, 3, 4),
                in_training=(False, False, True, False, False),
            ),
            stability=Stability(
                stable=4 / 22,
                on_hull=2 / 22,
                evaluated=5,
                total=22,
                cutoff=0.1,
                label="formation_energy_per_atom",
                model="chgnet",
                reference="mp:test",
                reference_size=1,
                energies=tuple(above),
                above_hull=tuple(above),
            ),
            energies=None,
        )
        values = {line.key: line.value for line in tabulate(measured, ())}
        assert values["stable_unique_novel"] == pytest.approx(2 / 22)

    @pytest.mark.parametrize(
        "settings", [EvaluationSettings(cutoffs="mp21"), EvaluationSettings(published=("mp26",))]
    )
    def test_unknown_sets(self, settings: EvaluationSettings) -> None:
        with pytest.raises(ConfigError, match=r"no set 'mp2\d'"):
            evaluate_crystals(EvaluationInputs(generated=[], reference=[]), settings)

    def test_nothing_valid(
        self, nasty: list[ParsedStructure], salt: Callable[..., Crystal]
    ) -> None:
        inputs = EvaluationInputs(
            generated=nasty[:10], reference=[ParsedStructure.from_crystal(salt())], names={}
        )
        found = evaluate_crystals(inputs, EvaluationSettings(fingerprints=False, workers=1))
        values = {one.key: one.value for one in found.metrics}
        assert values["validity"] == 0.0
        assert np.isnan(values["uniqueness"])
        assert "nothing to plot" in render(evaluation_page(found))


class TestPage:
    def test_stands_by_itself(self, evaluation: Evaluation, tmp_path: Path) -> None:
        write_results(evaluation, tmp_path / "new")
        written = json.loads((tmp_path / "new" / "metrics.json").read_text())
        assert written == json.loads(json.dumps(evaluation.as_data()))
        page = (tmp_path / "new" / "report.html").read_text(encoding="utf-8")
        assert not re.search(r'(?:src|href)="(?!#|data:)', page)
        assert "prefers-color-scheme: dark" in page
        assert "a &lt;b&gt;" in page
        assert "<b>" not in page
        assert page.count('<svg class="crystal"') == 7
        assert page.count("<tr>") >= 20

    def test_folder_that_cannot_be_written(self, evaluation: Evaluation, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match="cannot be written"):
            write_results(evaluation, tmp_path / "file" / "new")

    def test_shows_what_was_asked_for(self, evaluation: Evaluation) -> None:
        page = render(evaluation_page(evaluation))
        for words in ("NaCl", "P4_2/mnm (136)", "TiO2", "atoms are too close", "22.7\u00a0%"):
            assert words in page
        assert "CDVAE, mp_20, published" in page
        assert "MatSciML, mp25, published" in page
        assert "no atoms were predicted" in page

    def test_every_column_can_be_sorted(self, evaluation: Evaluation) -> None:
        page = Document(render(evaluation_page(evaluation)))
        (table,) = page.find("table", **{"class": "sheet"})
        rows = page.rows(table.attributes["id"])
        assert len(rows) == 1 + len(evaluation.validities)
        assert {len(row) for row in rows} == {8}
        orders = [
            entry.attributes["data-order"]
            for entry in page.find("td", within="list")
            if "key-volume" in entry.attributes["class"]
        ]
        assert float(orders[0]) == pytest.approx(5.6402**3 / 8)
        assert "" in orders

    def test_list_is_filtered_by_validity(self, evaluation: Evaluation) -> None:
        page = Document(render(evaluation_page(evaluation)))
        choices = page.text("option", within="list")
        assert {"valid", "atoms are too close", "the cell has no volume"} <= set(choices)


def test_real_page_is_small_enough(evaluation: Evaluation) -> None:
    assert len(render(evaluation_page(evaluation))) < 400_000


def test_names_of_metrics_are_unique(evaluation: Evaluation) -> None:
    names: list[Any] = [one.key for one in evaluation.metrics]
    assert len(set(names)) == len(names)


class TestBaselines:
    """Metrics of crystals without a model, beside those of the generated ones."""

    @pytest.fixture
    def compared(self, salt: Callable[..., Crystal]) -> Evaluation:
        wrap = ParsedStructure.from_crystal
        training = [wrap(salt(name=f"salt {index}")) for index in range(3)]
        inputs = EvaluationInputs(
            generated=[wrap(salt(name="one")), wrap(salt(numbers=(19, 17), name="KCl"))],
            reference=[wrap(salt())],
            training=training,
        )
        settings = EvaluationSettings(fingerprints=False, workers=1, baselines=True)
        return evaluate_crystals(inputs, settings)

    def test_real_crystals_are_valid_and_known(self, compared: Evaluation) -> None:
        data = compared.as_data()["baselines"]
        assert list(data) == ["real_crystals", "without_model"]
        assert data["real_crystals"]["validity"] == 1.0
        assert data["real_crystals"]["novelty"] == 0.0
        assert data["real_crystals"]["density_distance"] == pytest.approx(0.0, abs=1e-9)

    def test_columns_of_the_page(self, compared: Evaluation) -> None:
        text = render(evaluation_page(compared))
        assert "Real ones" in text
        assert "Without a model" in text

    def test_without_a_training_set(self, salt: Callable[..., Crystal]) -> None:
        one = [ParsedStructure.from_crystal(salt())]
        with pytest.raises(ConfigError, match="--reference-train"):
            evaluate_crystals(
                EvaluationInputs(generated=one, reference=one),
                EvaluationSettings(baselines=True),
            )


def test_averages_keep_sizes_species_and_volume(salt: Callable[..., Crystal]) -> None:
    training = [salt(), rutile()]
    averages = without_model(training, 50, np.random.default_rng(0))
    assert {one.num_atoms for one in averages} == {one.num_atoms for one in training}
    assert {int(z) for one in averages for z in one.atomic_numbers} <= {8, 11, 17, 22}
    mean = np.mean([one.volume / one.num_atoms for one in training])
    assert [one.volume / one.num_atoms for one in averages] == pytest.approx([mean] * 50)
