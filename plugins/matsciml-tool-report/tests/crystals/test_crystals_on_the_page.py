"""What the report shows about crystals: groups, map of elements, and pictures of the worst."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from matsciml_core import Crystal
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.training.run_folder import (
    PREDICTIONS,
)
from matsciml_tool_report.crystal_files import (
    TESTED_CRYSTALS,
    WORST_CRYSTALS,
    read_crystals,
)

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)
pytestmark = pytest.mark.usefixtures("undrawn")


def test_shows_all_three(write, energies: Path, toy) -> None:
    page = write(energies, {"toy": toy}).read_text("utf-8").replace("\u00a0", " ")
    assert "Mean absolute error by crystal system" in page
    for name in ("Triclinic", "Tetragonal", "Hexagonal", "Cubic"):
        assert re.search(rf'<th scope="row">{name}</th>', page), name
    assert "Trigonal" not in page
    assert page.count('<td class="element ') == 9
    assert "The 10 crystals of the test set with the largest errors" in page
    assert page.count('<svg class="crystal"') == 10
    card = re.search(r"<code>TiO2-0</code>.*?</li>", page, re.DOTALL)
    assert card is not None
    words = " ".join(re.sub("<[^>]*>", " ", card[0]).split())
    assert words == (
        "TiO2-0 P4_2/mnm (136), tetragonal Label −6.00 eV Prediction −5.40 eV Error +0.600 eV"
    )


def test_is_drawn_again_without_the_data(write, energies: Path, toy) -> None:
    first = write(energies, {"toy": toy}).read_text("utf-8")
    assert write(energies).read_text("utf-8") == first


def test_forces_name_their_atom(write_run, toy_of, write, tmp_path: Path) -> None:
    toy = toy_of(stated=True)
    rows = [
        ["toy", "forces", one.id, place, 0.0, 0.01 * (place + 1), ""]
        for one in toy.crystals
        for place in range(3 * one.num_atoms)
    ]
    folder = write_run(tmp_path / "run", rows, {"toy/forces": FORCES})
    page = write(folder, {"toy": toy}).read_text("utf-8").replace("\u00a0", " ")
    assert "<dt>Value</dt><dd>z of atom 6 (O)</dd>" in page
    assert "Mean absolute error of the atoms (eV/Å)" in page
    assert '<th scope="col">Values</th>' in page


def test_classes_show_their_surest_mistakes(
    write_run, toy_of, space_groups, write, tmp_path: Path
) -> None:
    toy = toy_of(stated=True)
    rows = [
        ["toy", "group", one.id, 0, space_groups.get(one.id[:-2], 1) - 1, 224, 0.5 + 0.1 * place]
        for place, one in enumerate(toy.crystals)
    ]
    folder = write_run(tmp_path / "run", rows, {"toy/group": GROUP})
    page = write(folder, {"toy": toy}).read_text("utf-8").replace("\u00a0", " ")
    assert "The 4 crystals of the test set predicted wrong with the highest probability" in page
    assert "<dt>Class</dt><dd>P4_2/mnm</dd></div><div><dt>Predicted</dt><dd>Fm-3m</dd>" in page
    assert "Predicted wrong by crystal system" in page
    assert "Predicted wrong by element" in page


def test_several_tasks_and_datasets(write_run, energy_rows, toy_of, write, tmp_path: Path) -> None:
    one, other = toy_of(stated=True), toy_of(copies=2)
    rows = [*energy_rows(one, "one"), *energy_rows(other, "other")]
    rows += [["one", "group", item.id, 0, 0, 224, 0.7] for item in one.crystals]
    infos = {"one/energy": ENERGY, "one/group": GROUP, "other/energy": ENERGY}
    folder = write_run(tmp_path / "run", rows, infos)
    page = write(folder, {"one": one, "other": other}).read_text("utf-8")
    assert page.count('<table class="elements">') == 3
    assert page.count('<svg class="crystal"') == 5 + 5 + 10
    # A dataset that is not there takes nothing from the others.
    page = write(folder, {"other": other}).read_text("utf-8")
    assert page.count('<table class="elements">') == 1
    assert "crystals-test.csv has no crystal of one." in page


def test_large_crystals_have_no_picture(
    write_run, energy_rows, toy_of, write, tmp_path: Path
) -> None:
    toy = toy_of()
    random = np.random.default_rng(0)
    toy.crystals[0] = Crystal(
        id="big",
        atomic_numbers=np.full(200, 14),
        positions=20 * random.random((200, 3)),
        cell=20 * np.eye(3),
    )
    folder = write_run(tmp_path / "run", energy_rows(toy), {"toy/energy": ENERGY})
    page = write(folder, {"toy": toy}).read_text("utf-8")
    assert "200 atoms: too many to draw" in page


def test_a_crystal_without_a_cell_has_no_picture(
    write_run, energy_rows, toy_of, write, tmp_path: Path
) -> None:
    toy = toy_of()
    toy.crystals[0] = Crystal(
        id="molecule",
        atomic_numbers=[1, 1],
        positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]],
        cell=np.zeros((3, 3)),
        pbc=[False, False, False],
    )
    folder = write_run(tmp_path / "run", energy_rows(toy), {"toy/energy": ENERGY})
    page = write(folder, {"toy": toy}).read_text("utf-8")
    assert "no cell to draw" in page
    assert "None found" in page


def test_a_run_without_predictions_says_nothing_about_crystals(write, energies: Path, toy) -> None:
    (energies / PREDICTIONS).unlink()
    page = write(energies, {"toy": toy}).read_text("utf-8")
    assert not (energies / TESTED_CRYSTALS).exists()
    assert "crystals-test.csv" not in page


def test_hostile_ids_are_escaped(write_run, energy_rows, toy_of, write, tmp_path: Path) -> None:
    toy = toy_of()
    hostile = "</code><script>alert(1)</script>\"'&,\n{{ 1 }}"
    toy.crystals[0] = Crystal(
        id=hostile, atomic_numbers=[11], positions=[[0.0, 0.0, 0.0]], cell=4 * np.eye(3)
    )
    folder = write_run(tmp_path / "run", energy_rows(toy), {"toy/energy": ENERGY})
    page = write(folder, {"toy": toy}).read_text("utf-8")
    assert ("toy", hostile) in read_crystals(folder).worst
    assert "<script>alert" not in page
    assert "{{ 1 }}" in page


@pytest.mark.slow
def test_a_hundred_thousand_crystals_take_seconds_and_little_room(
    write_run, write, tmp_path: Path
) -> None:
    species = ["Na4 Cl4", "Fe2 O3", "Li P S4 Li2", "U O2", "Ca Ti O3"]
    lines = [f"toy,c{k},{species[k % 5]},{k % 230 + 1},stated" for k in range(100_000)]
    random = np.random.default_rng(0)
    labels = random.normal(size=100_000)
    values = labels + random.normal(0.0, 0.1, 100_000)
    both = zip(labels.tolist(), values.tolist(), strict=True)
    rows = [["toy", "energy", f"c{k}", 0, *pair, ""] for k, pair in enumerate(both)]
    folder = write_run(tmp_path / "run", rows, {"toy/energy": ENERGY})
    header = "dataset,id,species,space_group,symmetry"
    (folder / TESTED_CRYSTALS).write_text("\n".join([header, *lines]) + "\n", "utf-8")
    (folder / WORST_CRYSTALS).write_text("[]", "utf-8")
    started = time.process_time()
    path = write(folder)
    assert time.process_time() - started < 20.0
    assert path.stat().st_size < 500_000
    assert "20,000" in path.read_text("utf-8")
