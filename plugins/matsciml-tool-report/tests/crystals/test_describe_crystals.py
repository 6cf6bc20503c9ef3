"""What a run folder says about the crystals of its test set, as it is written down."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from matsciml_core import Crystal
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.crystals import (
    rutile,
)
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_core.training.run_folder import (
    CONFIG,
    PREDICTIONS,
)
from matsciml_tool_report import describe_crystals
from matsciml_tool_report.crystal_files import (
    TESTED_CRYSTALS,
    read_crystals,
)
from matsciml_tool_report.describe_crystals import describe, open_datasets, species_of
from matsciml_util_pages.run_files import read_run

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")


def test_species_keep_the_order_of_the_atoms(toy) -> None:
    mixed = Crystal(
        id="x", atomic_numbers=[8, 22, 8, 8], positions=np.eye(4)[:, :3], cell=9 * np.eye(3)
    )
    toy.crystals[1] = mixed
    batch = toy.__getitems__([0, 1, 2, 3])
    assert species_of(batch) == ["Na Cl", "O Ti O2", "Mg2", "Ti2 O4"]


def test_neighbouring_crystals_of_one_element_stay_apart(toy) -> None:
    assert species_of(toy.__getitems__([1, 1, 2])) == ["Fe", "Fe", "Mg2"]


def test_space_groups_are_searched_for_where_the_data_state_none(energies: Path, toy) -> None:
    describe(read_run(energies), {"toy": toy})
    with (energies / TESTED_CRYSTALS).open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {
        "dataset": "toy", "id": "NaCl-0", "species": "Na Cl",
        "space_group": "225", "symmetry": "searched",
    }  # fmt: skip
    table = read_crystals(energies).tables["toy"]
    assert table.space_groups[:5].tolist() == [225, 229, 194, 136, 1]
    assert table.searched


def test_stated_space_groups_are_taken_over(
    write_run, energy_rows, toy_of, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(describe_crystals, "find_space_group", None)
    toy = toy_of(stated=True)
    folder = write_run(tmp_path, energy_rows(toy), {"toy/energy": ENERGY})
    describe(read_run(folder), {"toy": toy})
    table = read_crystals(folder).tables["toy"]
    assert table.space_groups.tolist() == [225, 229, 194, 136, 1]
    assert not table.searched


def test_of_many_crystals_an_even_sample_is_searched(
    write, energies: Path, toy, monkeypatch
) -> None:
    monkeypatch.setattr(describe_crystals, "MOST_SEARCHED", 3)
    page = write(energies, {"toy": toy}).read_text("utf-8")
    groups = read_crystals(energies).tables["toy"].space_groups
    assert np.flatnonzero(groups >= 0).tolist() == [0, 7, 14]
    assert "They are known for an even sample of 3 of the 15 crystals." in page


def test_worst_crystals_are_kept_whole(energies: Path, toy) -> None:
    describe(read_run(energies), {"toy": toy})
    worst = read_crystals(energies).worst
    assert len(worst) == 10
    found = worst["toy", "TiO2-1"]
    np.testing.assert_array_equal(found.crystal.positions, rutile().positions)
    np.testing.assert_array_equal(found.crystal.cell, rutile().cell)
    assert found.space_group == 136


def test_crystals_that_the_data_no_longer_have_are_left_out(write, energies: Path, toy) -> None:
    del toy.crystals[8]
    page = write(energies, {"toy": toy}).read_text("utf-8")
    assert len(read_crystals(energies).tables["toy"].rows) == 14
    assert "not in the data" in page


def test_datasets_are_opened_only_where_they_are_needed(
    energies: Path, toy, plugin_folder: PluginFolder
) -> None:
    plugin_folder.add_examples()
    registry = build_registry()
    assert open_datasets(energies, registry) is None, "no plugin is called toy"
    text = (energies / CONFIG).read_text("utf-8").replace("name: toy", "name: example")
    (energies / CONFIG).write_text(text, "utf-8")
    opened = open_datasets(energies, registry)
    assert opened is not None
    assert len(opened["example"]) == 40
    describe(read_run(energies), {"toy": toy})
    assert open_datasets(energies, registry) is None
    (energies / PREDICTIONS).unlink()
    (energies / TESTED_CRYSTALS).unlink()
    assert open_datasets(energies, registry) is None
