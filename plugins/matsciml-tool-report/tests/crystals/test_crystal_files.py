"""What a run folder says about the crystals of its test set, as it is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matsciml_tool_report.crystal_files import (
    TESTED_CRYSTALS,
    WORST_CRYSTALS,
    read_crystals,
)
from matsciml_tool_report.describe_crystals import describe
from matsciml_util_pages.run_files import read_run

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("toy,a,Na Xx,225,stated", "'Xx' is no element with a number of atoms"),
        ("toy,a,Na0,225,stated", "'Na0' is no element"),
        ("toy,a,Na,231,stated", "a space group is not between 1 and 230"),
        ("toy,a,Na", "could not be read"),
    ],
)
def test_damaged_lines_are_named(write, energies: Path, line: str, reason: str) -> None:
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
def test_damaged_worst_crystals_are_named(write, energies: Path, toy, text: str) -> None:
    describe(read_run(energies), {"toy": toy})
    (energies / WORST_CRYSTALS).write_text(text, "utf-8")
    assert "could not be read" in read_crystals(energies).problems[WORST_CRYSTALS]
    page = write(energies).read_text("utf-8")
    assert "worst-test.json could not be read" in page
    assert '<table class="elements">' in page


def test_missing_files_are_named(write, energies: Path) -> None:
    page = write(energies).read_text("utf-8").replace("&#39;", "'")
    assert "The run folder has no crystals-test.csv" in page
    assert "'matsciml report' writes it where the data are" in page
    assert page.count("so the worst crystals have no pictures") == 1
    assert '<table class="elements">' not in page


def test_species_of_atoms(table_of) -> None:
    table = table_of(["Na2 Cl", "Fe", "O Ti O2"])
    crystals = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2, -1])
    atoms = np.array([0, 1, 2, 3, 0, 0, 1, 2, 3, 0])
    assert table.species(crystals, atoms).tolist() == [11, 11, 17, 0, 26, 8, 22, 8, 8, 0]


def test_contents_name_each_element_once(table_of) -> None:
    crystals, numbers = table_of(["O Ti O2", "Fe"]).contents
    assert list(zip(crystals.tolist(), numbers.tolist(), strict=True)) == [
        (0, 8), (0, 22), (1, 26),
    ]  # fmt: skip
