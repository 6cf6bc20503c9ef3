"""Stability: hulls by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from matsciml_core import Crystal, Registry
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.files import write_json
from matsciml_tool_generate.stability import EnergyModel, stability
from matsciml_tool_generate.structures import ParsedStructure

LABEL = "formation_energy_per_atom"


@pytest.fixture
def model(write_run: Callable[..., Path], toy_registry: Registry) -> EnergyModel:
    """A model whose formation energy, eV/atom, is twice the edge of the cube less 5 Å."""
    return EnergyModel(write_run(), toy_registry, "cpu")


def known(crystal: Crystal, energy: float) -> ParsedStructure:
    return replace(ParsedStructure.from_crystal(crystal), labels={LABEL: energy})


class TestModel:
    def test_energies(self, model: EnergyModel, salt: Callable[..., Crystal]) -> None:
        assert (model.label, model.per_atom) == (LABEL, True)
        # The toy model sees the cube root of the primitive cell's volume, a quarter of the cube's.
        edge = 4 ** (1 / 3) * 6.0
        found = model.energies([salt(edge), None, salt(edge)])
        assert found == [pytest.approx(2.0, abs=1e-5), None, pytest.approx(2.0, abs=1e-5)]

    def test_model_without_energy(
        self, write_run: Callable[..., Path], toy_registry: Registry
    ) -> None:
        with pytest.raises(ConfigError, match="a hull needs an energy"):
            EnergyModel(write_run(with_property=False), toy_registry, "cpu")

    def test_broken_crystals_spoil_no_others(
        self, model: EnergyModel, salt: Callable[..., Crystal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        predict = model.model.predict_crystals

        def fussy(crystals: Any) -> Any:
            if any(one.id == "bad" for one in crystals):
                raise RuntimeError("no")
            return predict(crystals)

        monkeypatch.setattr(model.model, "predict_crystals", fussy)
        found = model.energies([salt(), salt(name="bad"), salt()])
        assert found[0] == found[2] is not None
        assert found[1] is None


class TestHull:
    def test_distances_by_hand(self, model: EnergyModel, salt: Callable[..., Crystal]) -> None:
        reference = [known(salt(), -2.0)]
        # Between the elements at 0 and NaCl at −2 eV/atom lies the hull.
        sodium_rich = Crystal.from_fractional(
            id="Na3Cl",
            atomic_numbers=[11, 11, 11, 17],
            fractional=[[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
            cell=[[4, 0, 0], [0, 4, 0], [0, 0, 4]],
        )
        crystals = [salt(), salt(), sodium_rich, salt(numbers=(19, 9)), None]
        energies = [-1.95, -2.5, -0.7, 0.05, None]
        found = stability(crystals, energies, reference, model, reference_name="mine", number=6)
        assert found.above_hull == (
            pytest.approx(0.05),
            pytest.approx(-0.5),
            pytest.approx(0.3),  # the hull at a quarter of chlorine is at −1
            pytest.approx(0.05),
            None,
        )
        assert (found.evaluated, found.total) == (4, 6)
        assert found.stable == pytest.approx(3 / 6)
        assert found.on_hull == pytest.approx(1 / 6)
        assert (found.reference, found.reference_size, found.label) == ("mine", 1, LABEL)

    def test_cutoff(self, model: EnergyModel, salt: Callable[..., Crystal]) -> None:
        for cutoff, share in ((0.04, 0.0), (0.06, 1.0)):
            found = stability([salt()], [-1.95], [known(salt(), -2.0)], model, cutoff=cutoff)
            assert found.stable == share

    def test_total_energies_need_the_elements(
        self, model: EnergyModel, salt: Callable[..., Crystal], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model, "label", "energy_per_atom")
        alone = [
            Crystal.from_fractional(
                id=str(number),
                atomic_numbers=[number],
                fractional=[[0, 0, 0]],
                cell=[[3, 0, 0], [0, 3, 0], [0, 0, 3]],
            )
            for number in (11, 17)
        ]
        compound = replace(ParsedStructure.from_crystal(salt()), labels={"energy_per_atom": -4.0})
        elements = [
            replace(ParsedStructure.from_crystal(one), labels={"energy_per_atom": -1.0})
            for one in alone
        ]
        found = stability([salt()], [-3.0], [compound, elements[0]], model)
        assert found.above_hull == (None,)
        assert found.stable == 0.0
        found = stability([salt()], [-3.0], [compound, *elements], model)
        assert found.above_hull == (pytest.approx(1.0),)

    def test_reference_without_energies(
        self, model: EnergyModel, salt: Callable[..., Crystal], tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match=f"has the label '{LABEL}'"):
            stability([salt()], [0.0], [ParsedStructure.from_crystal(salt())], model)

    def test_of_a_pretrained_model_is_of_its_own_energies(
        self,
        model: EnergyModel,
        salt: Callable[..., Crystal],
        write_run: Callable[..., Path],
        toy_registry: Registry,
    ) -> None:
        folder = write_run()
        description = json.loads((folder / "model.json").read_text())
        description["pretrained"] = {"name": "salts", "elements": []}
        write_json(folder / "model.json", description)
        ready = EnergyModel(folder, toy_registry, "cpu")
        assert (model.pretrained, ready.pretrained) == (False, True)
        crystals = [salt(), salt(7.0)]
        # Labels of another code, hundreds of eV away: they count for nothing.
        reference = [known(crystal, -500.0) for crystal in crystals]
        labelled = ready.label_reference(reference, [-2.0, None])
        assert [one.labels for one in labelled] == [{LABEL: -2.0}, {}]
        found = stability(crystals, [-2.0, -1.5], labelled, ready)
        assert found.above_hull == (pytest.approx(0.0), pytest.approx(0.5))
        assert "model's own energies of the reference; 2 of 2" in found.reservation


class TestError:
    def write(self, model: EnergyModel, **errors: float) -> EnergyModel:
        metrics = {"test": {f"toy/{LABEL}": errors}}
        write_json(model.model.folder / "run.json", {"metrics": metrics})
        return model

    def reload(self, model: EnergyModel, registry: Registry) -> EnergyModel:
        return EnergyModel(model.model.folder, registry, "cpu")

    def test_of_the_model_is_compared_with_the_cutoff(
        self, model: EnergyModel, toy_registry: Registry
    ) -> None:
        poor = self.reload(self.write(model, mae=0.5), toy_registry)
        assert poor.error == 0.5
        with pytest.raises(ConfigError, match=r"is 0\.5 eV/atom, above the --hull-cutoff of 0\.1"):
            poor.check_error(0.1)
        poor.check_error(0.5)

    def test_stands_beside_the_cutoff(
        self, model: EnergyModel, toy_registry: Registry, salt: Callable[..., Crystal]
    ) -> None:
        crystal = salt()
        for errors, words in (({"mae": 0.04}, "error is 0.04 eV/atom"), ({}, "is not recorded")):
            energy_model = self.reload(self.write(model, **errors), toy_registry)
            found = stability(
                [crystal], energy_model.energies([crystal]), [known(crystal, 0.0)], energy_model
            )
            assert "at most 0.1 eV/atom above the hull" in found.reservation
            assert words in found.reservation
