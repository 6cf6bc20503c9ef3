"""Archives and records of the toolkit become calculations, and energies comparable."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matsciml_core.data import Rejection
from matsciml_core.data.fetch.fetched_config import FetchedConfig
from matsciml_core.data.readers import add_dataset
from matsciml_core.data.splits.grouping import space_group
from matsciml_data_nomad.archive import (
    ELECTRONVOLT,
    Calculation,
    Lookup,
    band_gap,
    method_of,
    read_entry,
)
from matsciml_data_nomad.dataset import NOMAD
from matsciml_data_nomad.references import fit_references
from matsciml_data_nomad.subsets import subset_of
from matsciml_data_nomad.toolkit import read_record, read_toolkit
from matsciml_util_sources.fake_source import load_module

FAKE = load_module(Path(__file__).with_name("fake_source.py"))


def changed(change: Callable[[dict[str, Any]], object]) -> Calculation | Rejection:
    """Read a sound entry after a change to it."""
    entry = copy.deepcopy(FAKE.uranium(3))
    change(entry["archive"])
    return read_entry(entry)


def structure_of(archive: dict[str, Any]) -> dict[str, Any]:
    structure: dict[str, Any] = archive["results"]["properties"]["structures"]["structure_original"]
    return structure


def test_units_are_converted() -> None:
    found = changed(lambda archive: None)
    assert isinstance(found, Calculation)
    assert found.cell[0, 0] == pytest.approx(3.53, abs=1e-12)
    assert found.energy == pytest.approx(2 * (-763_000.0 - 0.085), abs=1e-9)
    assert found.method == "FHI-aims | GGA_C_PBE+GGA_X_PBE"
    assert (found.space_group, found.composition) == (229, "92:1")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: a["results"]["properties"].clear(), "no structure"),
        (lambda a: a["results"]["properties"].update(structures="/run/9/gone"), "no structure"),
        (lambda a: structure_of(a).update(lattice_vectors=None), "incomplete"),
        (lambda a: structure_of(a).pop("cartesian_site_positions"), "incomplete"),
        (lambda a: structure_of(a).update(species_at_sites=[]), "none known"),
        (lambda a: a["results"]["material"].update(chemical_formula_hill="O2"), "composition"),
        (lambda a: a.pop("results"), "no archive"),
    ],
)
def test_what_is_no_calculation_is_rejected(change: Callable[[Any], object], reason: str) -> None:
    found = changed(change)
    assert isinstance(found, Rejection)
    assert reason in found.reason


@pytest.mark.parametrize("value", [None, "unknown", float("nan"), float("inf"), True, [1.0]])
def test_an_energy_that_is_no_number_is_missing(value: object) -> None:
    def change(archive: dict[str, Any]) -> None:
        archive["run"][0]["calculation"][0]["energy"]["total"]["value"] = value

    found = changed(change)
    assert isinstance(found, Calculation)
    assert found.energy is None


def channel(value: float | None, occupied: float | None, free: float | None) -> dict[str, Any]:
    states = {"value": value, "energy_highest_occupied": occupied, "energy_lowest_unoccupied": free}
    return {name: energy * ELECTRONVOLT for name, energy in states.items() if energy is not None}


@pytest.mark.parametrize(
    ("channels", "gap"),
    [
        ([], None),
        ([channel(1.5, None, None)], 1.5),
        ([channel(None, -1.0, -1.0)], None),
        ([channel(3.0, 0.0, 3.0), channel(4.0, 1.0, 5.0)], 2.0),
        ([channel(1.0, 0.0, 1.0), channel(1.0, 2.0, 3.0)], 0.0),
        ([channel(0.0, None, None), channel(4.0, 1.0, 5.0)], 0.0),
        ([channel(3.0, None, 3.0), channel(4.0, 1.0, 5.0)], None),
    ],
)
def test_the_gap_lies_between_the_states_of_all_channels(
    channels: list[dict[str, Any]], gap: float | None
) -> None:
    assert band_gap(channels) == (None if gap is None else pytest.approx(gap))


def test_references_are_followed_within_the_archive_only() -> None:
    look = Lookup({"a": [{"b": "#/c"}], "c": 3, "loop": "/loop"})
    assert look.follow("/a/0/b") == 3
    assert look.follow("/a/1/b") is None
    assert look.follow("/loop") is None
    assert look.follow("../uploads/x/archive/y#/c") is None
    assert look.follow("plain") == "plain"


def test_methods_differ_in_all_that_matters() -> None:
    base = {"xc_functional_names": ["B", "A"], "basis_set_type": "plane waves"}
    first = method_of({"program_name": "VASP", "dft": base})
    assert first == "VASP | A+B | plane waves"
    for other in ({"relativity_method": "ZORA"}, {"hubbard_kanamori_model": [{"u": 1.0}]}):
        assert method_of({"program_name": "VASP", "dft": {**base, **other}}) != first
    assert method_of({"program_name": "VASP", "dft": {}}) is None
    assert method_of(None) is None


def calculation(
    name: str, numbers: list[int], energy_per_atom: float, method: str = "m"
) -> Calculation:
    return Calculation(
        id=name,
        method=method,
        atomic_numbers=np.array(numbers, dtype=np.uint8),
        positions=np.zeros((len(numbers), 3)),
        cell=np.eye(3),
        energy=energy_per_atom * len(numbers),
        band_gap=None,
        fermi_energy=None,
        space_group=None,
    )


def oxides(seed: int = 0) -> list[Calculation]:
    """Made-up crystals of five elements with exact reference energies, and noise of 0.1 eV/atom."""
    random = np.random.default_rng(seed)
    true = {3: -2e5, 8: -2000.0, 11: -4400.0, 12: -5400.0, 20: -1.8e4}
    found = []
    for number in range(400):
        counts = dict(zip(true, random.integers(0, 4, size=5).tolist(), strict=True))
        numbers = [z for z, count in counts.items() for _ in range(count)] or [8]
        energy = sum(true[z] for z in numbers) / len(numbers) + 0.1 * random.normal()
        found.append(calculation(f"c{number}", numbers, energy))
    return found


def test_reference_energies_are_recovered_to_the_noise() -> None:
    references = fit_references(oxides)
    fit = references.fits["m"]
    assert fit.energies[8] == pytest.approx(-2000.0, abs=0.1)
    assert fit.energies[3] == pytest.approx(-2e5, abs=0.1)
    assert fit.error == pytest.approx(0.1, rel=0.1)
    trained = [one for one in oxides() if subset_of(one.composition) == "train"]
    assert (fit.crystals, fit.left_out) == (len(trained), 0)
    labels = [references.formation_energy(one) for one in trained]
    assert np.mean(labels) == pytest.approx(0.0, abs=0.01)


def test_outliers_do_not_spoil_the_fit() -> None:
    clean = fit_references(oxides).fits["m"]
    wrong = [calculation(f"w{k}", [8, 12], -5e5 * (k + 1)) for k in range(3)]
    assert subset_of("8:1 12:1") == "train"
    spoiled = fit_references(lambda: [*oxides(), *wrong]).fits["m"]
    assert spoiled.left_out == 3
    np.testing.assert_allclose(spoiled.energies, clean.energies, atol=1e-7)


def test_a_composition_that_nothing_determines_has_no_energy() -> None:
    """Of Na and Cl in equal parts alone, nothing follows for another ratio."""
    salts = [calculation(f"s{k}", [11, 17] * (1 + k % 3), -3.0 + 0.01 * k) for k in range(30)]
    references = fit_references(lambda: salts)
    assert subset_of("11:1 17:1") == "train"
    assert references.formation_energy(salts[0]) == pytest.approx(-0.145)
    assert references.formation_energy(calculation("x", [11, 17, 17], -3.0)) is None
    assert references.formation_energy(calculation("y", [11, 19], -3.0)) is None
    (row,) = references.as_data()["methods"]["m"]["undetermined"]
    assert row["Na"] == pytest.approx(-row["Cl"])


def test_a_method_that_could_fit_anything_is_dropped() -> None:
    few = [calculation(f"f{k}", [k + 1], -1.0) for k in range(60)]
    references = fit_references(lambda: few)
    assert (references.fits, references.dropped) == ({}, {"m": 60})


def test_a_record_without_energy_or_form_is_no_error() -> None:
    assert isinstance(read_record("0", None), Rejection)
    assert isinstance(read_record("a/3", {"energies": {}}), Rejection)
    assert read_record("a/3", {}).id == "nomad-toolkit-a/000003"


def test_real_toolkit_files_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(__file__).parents[4] / "shared" / "data" / "toolkit-lmdb" / "nomad.lmdb"
    if not file.exists():
        pytest.skip("needs ../shared/data/toolkit-lmdb, which is not part of the repository")
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path))
    manifest = add_dataset("old", read_toolkit(file))
    assert (manifest.records, manifest.accepted) == (100, 100)
    dataset = NOMAD(FetchedConfig(path=str(tmp_path / "datasets" / "old" / "store")))
    crystal = dataset[0]
    assert crystal.id == "nomad-toolkit-000000"
    # Oxygen; the file has 4.3410330714481e-10 m, 1.5380895686400655e-21 J and -4.84067e-19 J.
    assert crystal.positions[0] == pytest.approx([4.3410330714481, 0.0, 0.6260145883476])
    assert crystal.labels["band_gap"] == pytest.approx(0.0096, abs=1e-4)
    assert crystal.labels["fermi_energy"] == pytest.approx(-3.0213, abs=1e-4)
    # The lowest of its composition within the file, an all-electron one, is 2,000 times as low.
    assert crystal.labels["relative_energy"] >= 0.0
    found = [space_group(dataset[place]) for place in range(100)]
    stated = [dataset[place].labels["space_group"] + 1 for place in range(100)]
    assert np.mean(np.array(found) == np.array(stated)) > 0.9
