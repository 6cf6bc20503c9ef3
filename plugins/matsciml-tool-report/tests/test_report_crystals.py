"""What the report says about crystals: errors by system and element, and the worst as pictures."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from markupsafe import Markup

from matsciml_core import Crystal
from matsciml_core.interfaces.dataset import Dataset, Provenance
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.targets import TargetInfo
from matsciml_core.testing.crystals import (
    bcc_iron,
    hcp_magnesium,
    rutile,
    sodium_chloride,
    triclinic,
)
from matsciml_core.training.run_folder import (
    CONFIG,
    METRICS,
    PREDICTIONS,
    SUMMARY,
)
from matsciml_tool_report import describe_crystals, element_map, error_groups
from matsciml_tool_report.crystal_files import (
    TESTED_CRYSTALS,
    WORST_CRYSTALS,
    CrystalTable,
    read_crystals,
    read_table,
)
from matsciml_tool_report.describe_crystals import describe, open_datasets, species_of
from matsciml_tool_report.error_summary import surest_mistakes
from matsciml_util_pages import svg
from matsciml_util_pages.run_files import Predictions, read_run

ENERGY = TargetInfo(name="energy", kind="energy", unit="eV")
FORCES = TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True)
STRESS = TargetInfo(name="stress", kind="stress", unit="eV/Å³")
GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
FORMATION = TargetInfo(name="formation_energy", kind="scalar", unit="eV/atom")
CHARGE = TargetInfo(name="charge", kind="scalar", unit="e", per_atom=True)
GROUP = TargetInfo(name="group", kind="multiclass", unit="class", num_classes=230)
GROUPS = {"NaCl": 225, "Fe": 229, "Mg": 194, "TiO2": 136, "triclinic": 1}
"""True space groups of the crystals below."""


class Toy(Dataset):
    """Crystals with known space groups, each several times."""

    def __init__(self, copies: int = 1, *, stated: bool = False) -> None:
        """Make the crystals."""
        super().__init__()
        kinds = [sodium_chloride(), bcc_iron(), hcp_magnesium(), rutile(), triclinic()]
        self.crystals = [
            Crystal(
                id=f"{one.id}-{copy}",
                atomic_numbers=one.atomic_numbers,
                positions=one.positions,
                cell=one.cell,
                labels={"group": GROUPS.get(one.id, 1) - 1} if stated else {},
            )
            for copy in range(copies)
            for one in kinds
        ]
        self.stated = stated

    @property
    def targets(self) -> dict[str, TargetInfo]:
        return {one.name: one for one in ((ENERGY, FORCES, GROUP) if self.stated else (ENERGY,))}

    @property
    def provenance(self) -> Provenance:
        return Provenance(source="made up")

    def __len__(self) -> int:
        return len(self.crystals)

    def __getitem__(self, index: int) -> Crystal:
        return self.crystals[index]


def write_run(folder: Path, rows: list[list[Any]], infos: Mapping[str, TargetInfo]) -> Path:
    """Write a run folder with predictions and no description of the crystals.

    Args:
        folder: Made where it is not there.
        rows: Dataset, target, id, index, label, prediction and probability.
        infos: Labels by ``dataset/target``.
    """
    folder.mkdir(exist_ok=True)
    labels: dict[str, dict[str, Any]] = {}
    for key, info in infos.items():
        labels.setdefault(key.partition("/")[0], {})[info.name] = info.as_data()
    metric = {key: "accuracy" if info.is_class else "mae" for key, info in infos.items()}
    summary = {
        "status": "finished",
        "datasets": {name: {"labels": found} for name, found in labels.items()},
        "metrics": {"test": {key: {metric[key]: 0.5, "unit": infos[key].unit} for key in infos}},
    }
    (folder / SUMMARY).write_text(json.dumps(summary), "utf-8")
    config = {"datasets": [{"name": name} for name in labels], "encoder": {"name": "net"}}
    (folder / CONFIG).write_text(yaml.safe_dump(config), "utf-8")
    (folder / METRICS).write_text("epoch,seconds\n0,1\n", "utf-8")
    with (folder / PREDICTIONS).open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        header = ["dataset", "target", "id", "index", "label", "prediction", "probability"]
        writer.writerows([header, *rows])
    return folder


def energy_rows(dataset: Dataset, name: str = "toy") -> list[list[Any]]:
    """Return predictions that miss by 0.1 eV times the number of atoms, too high."""
    return [
        [name, "energy", one.id, 0, -float(one.num_atoms), -0.9 * one.num_atoms, ""]
        for one in (dataset[place] for place in range(len(dataset)))
    ]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the plots away, which saves most of a report's time."""
    monkeypatch.setattr(svg, "to_svg", lambda figure, words: Markup("<svg></svg>"))


@pytest.fixture
def toy() -> Toy:
    return Toy(copies=3)


@pytest.fixture
def energies(tmp_path: Path, toy: Toy) -> Path:
    """A run on energies whose crystals are not described yet."""
    return write_run(tmp_path / "run", energy_rows(toy), {"toy/energy": ENERGY})


def table_of(species: list[str], groups: list[int] | None = None) -> CrystalTable:
    """Return a table of crystals called c0, c1, …"""
    found = groups or [0] * len(species)
    rows = [[f"c{k}", text, str(found[k] or ""), "stated"] for k, text in enumerate(species)]
    return read_table(rows)


def predictions(owners: list[int], errors: list[float], places: list[int] | None = None, **more):
    """Return predictions with given errors; labels are 1."""
    labels = np.ones(len(errors))
    return Predictions(
        tuple(f"c{k}" for k in owners),
        labels,
        labels + np.array(errors),
        0,
        None if places is None else np.array(places),
        **more,
    )


# What is written down -----------------------------------------------------------------------------


class TestDescribing:
    def test_species_keep_the_order_of_the_atoms(self, toy: Toy) -> None:
        mixed = Crystal(
            id="x", atomic_numbers=[8, 22, 8, 8], positions=np.eye(4)[:, :3], cell=9 * np.eye(3)
        )
        toy.crystals[1] = mixed
        batch = toy.__getitems__([0, 1, 2, 3])
        assert species_of(batch) == ["Na Cl", "O Ti O2", "Mg2", "Ti2 O4"]

    def test_neighbouring_crystals_of_one_element_stay_apart(self, toy: Toy) -> None:
        assert species_of(toy.__getitems__([1, 1, 2])) == ["Fe", "Fe", "Mg2"]

    def test_space_groups_are_searched_for_where_the_data_state_none(
        self, energies: Path, toy: Toy
    ) -> None:
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

    def test_stated_space_groups_are_taken_over(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr(describe_crystals, "find_space_group", None)
        toy = Toy(stated=True)
        folder = write_run(tmp_path, energy_rows(toy), {"toy/energy": ENERGY})
        describe(read_run(folder), {"toy": toy})
        table = read_crystals(folder).tables["toy"]
        assert table.space_groups.tolist() == [225, 229, 194, 136, 1]
        assert not table.searched

    def test_of_many_crystals_an_even_sample_is_searched(
        self, write, energies: Path, toy: Toy, monkeypatch
    ) -> None:
        monkeypatch.setattr(describe_crystals, "MOST_SEARCHED", 3)
        page = write(energies, {"toy": toy}).read_text("utf-8")
        groups = read_crystals(energies).tables["toy"].space_groups
        assert np.flatnonzero(groups >= 0).tolist() == [0, 7, 14]
        assert "They are known for an even sample of 3 of the 15 crystals." in page

    def test_worst_crystals_are_kept_whole(self, energies: Path, toy: Toy) -> None:
        describe(read_run(energies), {"toy": toy})
        worst = read_crystals(energies).worst
        assert len(worst) == 10
        found = worst["toy", "TiO2-1"]
        np.testing.assert_array_equal(found.crystal.positions, rutile().positions)
        np.testing.assert_array_equal(found.crystal.cell, rutile().cell)
        assert found.space_group == 136

    def test_crystals_that_the_data_no_longer_have_are_left_out(
        self, write, energies: Path, toy: Toy
    ) -> None:
        del toy.crystals[8]
        page = write(energies, {"toy": toy}).read_text("utf-8")
        assert len(read_crystals(energies).tables["toy"].rows) == 14
        assert "not in the data" in page

    def test_datasets_are_opened_only_where_they_are_needed(
        self, energies: Path, toy: Toy, registry: Registry
    ) -> None:
        assert open_datasets(energies, registry) is None, "no plugin is called toy"
        text = (energies / CONFIG).read_text("utf-8").replace("name: toy", "name: mp")
        (energies / CONFIG).write_text(text, "utf-8")
        opened = open_datasets(energies, registry)
        assert opened is not None
        assert len(opened["mp"]) > 1000
        describe(read_run(energies), {"toy": toy})
        assert open_datasets(energies, registry) is None
        (energies / PREDICTIONS).unlink()
        (energies / TESTED_CRYSTALS).unlink()
        assert open_datasets(energies, registry) is None


@pytest.mark.usefixtures("undrawn")
class TestReading:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("toy,a,Na Xx,225,stated", "'Xx' is no element with a number of atoms"),
            ("toy,a,Na0,225,stated", "'Na0' is no element"),
            ("toy,a,Na,231,stated", "a space group is not between 1 and 230"),
            ("toy,a,Na", "could not be read"),
        ],
    )
    def test_damaged_lines_are_named(self, write, energies: Path, line: str, reason: str) -> None:
        header = "dataset,id,species,space_group,symmetry"
        (energies / TESTED_CRYSTALS).write_text(f"{header}\n{line}\n", "utf-8")
        problem = read_crystals(energies).problems[TESTED_CRYSTALS]
        assert problem.startswith("crystals-test.csv could not be read: ")
        assert reason in problem
        assert reason in write(energies).read_text("utf-8").replace("&#39;", "'")

    @pytest.mark.parametrize(
        "text",
        ["{", "[1]", "[{}]", '{"a": 1}', '[{"dataset": "toy", "id": "a", "space_group": 999}]'],
    )
    def test_damaged_worst_crystals_are_named(
        self, write, energies: Path, toy: Toy, text: str
    ) -> None:
        describe(read_run(energies), {"toy": toy})
        (energies / WORST_CRYSTALS).write_text(text, "utf-8")
        assert "could not be read" in read_crystals(energies).problems[WORST_CRYSTALS]
        page = write(energies).read_text("utf-8")
        assert "worst-test.json could not be read" in page
        assert '<table class="elements">' in page

    def test_missing_files_are_named(self, write, energies: Path) -> None:
        page = write(energies).read_text("utf-8").replace("&#39;", "'")
        assert "The run folder has no crystals-test.csv" in page
        assert "'matsciml report' writes it where the data are" in page
        assert page.count("so the worst crystals have no pictures") == 1
        assert '<table class="elements">' not in page

    def test_species_of_atoms(self) -> None:
        table = table_of(["Na2 Cl", "Fe", "O Ti O2"])
        crystals = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2, -1])
        atoms = np.array([0, 1, 2, 3, 0, 0, 1, 2, 3, 0])
        assert table.species(crystals, atoms).tolist() == [11, 11, 17, 0, 26, 8, 22, 8, 8, 0]

    def test_contents_name_each_element_once(self) -> None:
        crystals, numbers = table_of(["O Ti O2", "Fe"]).contents
        assert list(zip(crystals.tolist(), numbers.tolist(), strict=True)) == [
            (0, 8), (0, 22), (1, 26),
        ]  # fmt: skip


# Errors told apart --------------------------------------------------------------------------------


class TestGroups:
    def test_by_system(self) -> None:
        table = table_of(["Na"] * 5, [225, 195, 194, 0, 1])
        values = predictions([0, 1, 2, 3, 4], [1.0, -3.0, 0.5, 2.0, -0.25])
        found = error_groups.losses(GAP, values, table, np.full(5, 4.0))
        by_name = {one.name: one for one in error_groups.by_system(found, table)}
        assert list(by_name) == ["triclinic", "hexagonal", "cubic", "none found"]
        assert (by_name["cubic"].crystals, by_name["cubic"].error) == (2, 2.0)
        # Absolute errors 1 and 3: their deviation is √2, and that of the mean √2 / √2.
        assert by_name["cubic"].standard_error == pytest.approx(1.0)
        assert by_name["hexagonal"].standard_error is None
        assert by_name["none found"].error == 2.0
        assert by_name["cubic"].baseline == 4.0

    def test_every_space_group_is_in_its_system(self) -> None:
        edges = [1, 2, 3, 15, 16, 74, 75, 142, 143, 167, 168, 194, 195, 230]
        table = table_of(["Na"] * len(edges), edges)
        values = predictions(list(range(len(edges))), [1.0] * len(edges))
        found = error_groups.losses(GAP, values, table, None)
        assert [one.crystals for one in error_groups.by_system(found, table)] == [2] * 7

    def test_table_says_what_it_shows(self) -> None:
        table = table_of(["Na"] * 3, [225, 225, 1])
        values = predictions([0, 1, 2], [1.0, 3.0, 0.5])
        found = error_groups.losses(FORMATION, values, table, None)
        shown = error_groups.system_table(found, table)
        assert shown is not None
        assert list(shown.columns) == [
            "Crystal system", "Crystals", "MAE (eV/atom)", "Its standard error",
        ]  # fmt: skip
        assert shown.rows == [["Triclinic", "1", "0.500", "—"], ["Cubic", "2", "2.00", "1.00"]]
        assert shown.bars == [0.25, 1.0]
        assert "the data state" in shown.note
        assert "one crystal, or errors that are all the same" in shown.note

    def test_nothing_known(self) -> None:
        table = table_of(["Na"])
        table.space_groups[:] = -1
        found = error_groups.losses(GAP, predictions([0], [1.0]), table, None)
        assert error_groups.system_table(found, table) is None

    def test_by_element_of_crystals(self) -> None:
        table = table_of(["Na Cl", "Na2 O Na", "Fe"])
        values = predictions([2, 0, 1, 9], [5.0, -1.0, 2.0, 7.0])
        found = error_groups.losses(GAP, values, table, None)
        by_group = error_groups.by_element(found, table)
        assert {one: (group.crystals, group.error) for one, group in by_group.items()} == {
            8: (1, 2.0), 11: (2, 1.5), 17: (1, 1.0), 26: (1, 5.0),
        }  # fmt: skip

    def test_by_element_of_atoms(self) -> None:
        table = table_of(["Na Cl", "Cl Na"])
        errors = [1.0, 1.0, 1.0, 4.0, 4.0, 4.0, 6.0, 6.0, 6.0, 3.0, 3.0, 3.0]
        values = predictions([0] * 6 + [1] * 6, errors, [*range(6), *range(6)])
        found = error_groups.losses(FORCES, values, table, None)
        by_group = error_groups.by_element(found, table)
        assert {one: (group.values, group.error) for one, group in by_group.items()} == {
            11: (6, 2.0), 17: (6, 5.0),
        }  # fmt: skip
        assert [group.crystals for group in by_group.values()] == [2, 2]
        drawn = element_map.element_map(found, table)
        assert drawn is not None
        assert "Errors are those of the element's atoms." in drawn.note
        assert "error of all values, 3.50\u00a0eV/Å" in drawn.note

    def test_one_number_per_atom(self) -> None:
        table = table_of(["Na Cl"])
        found = error_groups.losses(CHARGE, predictions([0, 0], [1.0, 2.0], [0, 1]), table, None)
        assert [one.error for one in error_groups.by_element(found, table).values()] == [1.0, 2.0]

    def test_stress_belongs_to_crystals(self) -> None:
        table = table_of(["Na Cl"])
        values = predictions([0] * 9, [1.0] * 9, list(range(9)))
        found = error_groups.losses(STRESS, values, table, None)
        assert {one.values for one in error_groups.by_element(found, table).values()} == {9}
        assert not found.per_atom

    def test_atoms_beyond_a_crystal_are_left_out(self) -> None:
        table = table_of(["Na"])
        values = predictions([0] * 6, [1.0] * 6, list(range(6)))
        found = error_groups.losses(FORCES, values, table, None)
        assert [one.values for one in error_groups.by_element(found, table).values()] == [3]

    def test_classes_are_right_or_wrong(self) -> None:
        table = table_of(["Na", "Na", "Cl"], [225, 225, 1])
        values = predictions([0, 1, 2], [0.0, 1.0, 1.0])
        found = error_groups.losses(GROUP, values, table, None)
        assert [one.error for one in error_groups.by_system(found, table)] == [100.0, 50.0]
        assert (found.title, found.short, found.unit) == ("Predicted wrong", "Wrong", "%")

    def test_surest_mistakes_come_first(self) -> None:
        values = predictions(
            [0, 1, 2, 3], [0.0, 1.0, 1.0, 1.0], probabilities=np.array([0.99, 0.4, 0.9, 0.6])
        )
        assert [(one.id, one.probability) for one in surest_mistakes(values)] == [
            ("c2", 0.9), ("c3", 0.6), ("c1", 0.4),
        ]  # fmt: skip


# The map ------------------------------------------------------------------------------------------


class TestElementMap:
    def test_every_element_has_a_place_of_its_own(self) -> None:
        places = [element_map.row_and_column(number) for number in range(1, 119)]
        assert len(set(places)) == 118
        assert all(1 <= row <= 9 and 1 <= column <= 18 for row, column in places)

    @pytest.mark.parametrize(
        ("number", "place"),
        [(2, (1, 18)), (4, (2, 2)), (5, (2, 13)), (21, (4, 3)), (36, (4, 18)), (56, (6, 2)),
         (71, (8, 17)), (72, (6, 4)), (92, (9, 6)), (104, (7, 4)), (118, (7, 18))],
    )  # fmt: skip
    def test_known_places(self, number: int, place: tuple[int, int]) -> None:
        assert element_map.row_and_column(number) == place

    def test_rows_are_all_equally_wide(self) -> None:
        drawn = self.draw(["Na", "U", "La"], [1.0, 1.0, 1.0])
        assert [name for name, _ in drawn.rows] == [*"1234567", "La–Lu", "Ac–Lr"]
        assert all(sum(cell.width for cell in cells) == 18 for _, cells in drawn.rows)
        shown = [cell.symbol for _, cells in drawn.rows for cell in cells if cell.symbol]
        assert len(shown) == len(set(shown)) == 118

    def test_heavy_elements_take_no_room_where_there_are_none(self) -> None:
        assert [name for name, _ in self.draw(["Na"], [1.0]).rows] == [*"123456"]
        assert [name for name, _ in self.draw(["Ce"], [1.0]).rows] == [*"123456", "La–Lu"]

    def test_colours_follow_the_error(self) -> None:
        species = ["Li", "Be", "B", "C", "N", "O", "F"]
        errors = [0.4, 0.6, 0.75, 1.0, 1.25, 1.75, 2.25]  # their mean is 8 / 7
        drawn = self.draw(species, errors)
        levels = {cell.symbol: cell.level for _, cells in drawn.rows for cell in cells}
        assert [levels[one] for one in species] == [1, 2, 2, 4, 4, 6, 6]
        assert levels["H"] == 0
        legend = [text for _, text in drawn.legend]
        assert legend == [
            "under 0.571", "to 0.762", "to 0.952", "to 1.37", "to 1.71", "to 2.29", "over 2.29",
        ]  # fmt: skip
        assert drawn.legend_title == "Mean absolute error (eV)"

    def test_errors_that_are_all_zero(self) -> None:
        drawn = self.draw(["Na", "Cl"], [0.0, 0.0])
        assert {cell.level for _, cells in drawn.rows for cell in cells} == {0, 4}
        assert drawn.legend == [(4, "0")]

    def test_cells_say_what_they_mean(self) -> None:
        drawn = self.draw(["Na Cl", "Na"], [0.5, -1.0])
        (sodium,) = (cell for _, cells in drawn.rows for cell in cells if cell.symbol == "Na")
        assert sodium.words.replace("\u00a0", " ") == (
            "Sodium: mean absolute error 0.750 eV, 2 crystals"
        )
        assert (sodium.value, sodium.count, sodium.few) == ("0.750", "2", True)
        assert "a dashed border marks fewer than 10" in drawn.note

    def test_extremes_are_named_where_there_are_enough_crystals(self) -> None:
        drawn = self.draw(["Na"] * 10 + ["Cl"] * 10 + ["Fe"], [1.0] * 10 + [2.0] * 10 + [9.0])
        assert (
            "Among the elements with at least 10 crystals, sodium has the smallest error, 1.00 eV, "
            "and chlorine the largest, 2.00 eV." in drawn.note.replace("\u00a0", " ")
        )

    def draw(self, species: list[str], errors: list[float]) -> element_map.ElementMap:
        table = table_of(species)
        values = predictions(list(range(len(errors))), errors)
        found = error_groups.losses(GAP, values, table, None)
        drawn = element_map.element_map(found, table)
        assert drawn is not None
        return drawn


# The page -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("undrawn")
class TestPage:
    def test_shows_all_three(self, write, energies: Path, toy: Toy) -> None:
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

    def test_is_drawn_again_without_the_data(self, write, energies: Path, toy: Toy) -> None:
        first = write(energies, {"toy": toy}).read_text("utf-8")
        assert write(energies).read_text("utf-8") == first

    def test_forces_name_their_atom(self, write, tmp_path: Path) -> None:
        toy = Toy(stated=True)
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

    def test_classes_show_their_surest_mistakes(self, write, tmp_path: Path) -> None:
        toy = Toy(stated=True)
        rows = [
            ["toy", "group", one.id, 0, GROUPS.get(one.id[:-2], 1) - 1, 224, 0.5 + 0.1 * place]
            for place, one in enumerate(toy.crystals)
        ]
        folder = write_run(tmp_path / "run", rows, {"toy/group": GROUP})
        page = write(folder, {"toy": toy}).read_text("utf-8").replace("\u00a0", " ")
        assert "The 4 crystals of the test set predicted wrong with the highest probability" in page
        assert "<dt>Class</dt><dd>P4_2/mnm</dd></div><div><dt>Predicted</dt><dd>Fm-3m</dd>" in page
        assert "Predicted wrong by crystal system" in page
        assert "Predicted wrong by element" in page

    def test_several_tasks_and_datasets(self, write, tmp_path: Path) -> None:
        one, other = Toy(stated=True), Toy(copies=2)
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

    def test_large_crystals_have_no_picture(self, write, tmp_path: Path) -> None:
        toy = Toy()
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

    def test_a_crystal_without_a_cell_has_no_picture(self, write, tmp_path: Path) -> None:
        toy = Toy()
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

    def test_a_run_without_predictions_says_nothing_about_crystals(
        self, write, energies: Path, toy: Toy
    ) -> None:
        (energies / PREDICTIONS).unlink()
        page = write(energies, {"toy": toy}).read_text("utf-8")
        assert not (energies / TESTED_CRYSTALS).exists()
        assert "crystals-test.csv" not in page

    def test_hostile_ids_are_escaped(self, write, tmp_path: Path) -> None:
        toy = Toy()
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
def test_a_hundred_thousand_crystals_take_seconds_and_little_room(write, tmp_path: Path) -> None:
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
