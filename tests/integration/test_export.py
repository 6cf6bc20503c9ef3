"""Import → export → import: the second dataset is the first, to the digits that formats keep."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matsciml_cli import app
from matsciml_cli.testing import Outcome
from matsciml_core.data.ingestion.conversion import Conversion, from_iterable
from matsciml_core.data.readers import ImportedDataset, add_dataset, readers_of
from matsciml_core.interfaces.dataset import Provenance
from matsciml_core.registry.folders import dataset_folder
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.reader.writing import TARGETS, example_crystals

REGISTRY = build_registry()
WRITABLE = {spec.name: spec for spec in readers_of(REGISTRY) if spec.writer}
EXACT = {"ase-db", "aselmdb", "parquet", "traj"}
"""Formats that keep every bit of every number."""


@pytest.fixture
def cli(capsys):
    """A function that runs ``matsciml`` within the test, with all plugins that are installed."""

    def run(*arguments):
        capsys.readouterr()
        code = app.execute(arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def made(tmp_path, monkeypatch):
    """An imported dataset, in the folder to which exports go."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    crystals = [replace(crystal, id=f"frame {crystal.id}") for crystal in example_crystals()]
    conversion = Conversion(
        source=from_iterable(lambda: iter(crystals)),
        targets=list(TARGETS.values()),
        provenance=Provenance(source="examples"),
        fingerprint="examples",
        summary="Examples.",
        site_properties=["fixed", "tags"],
    )
    add_dataset("made", conversion)
    return ImportedDataset(str(dataset_folder("made")))


def exported(cli, form: str) -> ImportedDataset:
    """Export, run the command that is shown, and return the dataset that it makes."""
    done = cli("data", "export", "made", "--format", form)
    assert done.code == 0, done.err
    command = done.out.rpartition("Import: matsciml ")[2]
    done = cli(*shlex.split(command))
    assert done.code == 0, done.err
    return ImportedDataset(str(dataset_folder("made-copy")))


@pytest.mark.parametrize("form", sorted(WRITABLE))
def test_the_command_that_is_shown_gives_the_dataset_again(cli, made, form):
    copy = exported(cli, form)
    assert sorted(copy.ids) == sorted(made.ids)
    places = {name: index for index, name in enumerate(copy.ids)}
    for crystal in (made[index] for index in range(len(made))):
        again = copy[places[crystal.id]]
        np.testing.assert_array_equal(again.atomic_numbers, crystal.atomic_numbers)
        assert again.volume == pytest.approx(crystal.volume, rel=1e-6)
        assert again.labels["energy"] == pytest.approx(crystal.labels["energy"], rel=1e-12)
    if form in EXACT:
        assert copy.provenance.content_hash == made.provenance.content_hash


def test_a_subset_of_a_split_is_written(cli, made, tmp_path):
    cli("data", "export", "made", "--subset", "train", "-o", "some.extxyz")
    assert Path("some.extxyz").read_text().count("Lattice=") == len(made.split().subsets["train"])
    done = cli("data", "export", "made", "--subset", "trian", "-o", "other.extxyz")
    assert "no subset 'trian'" in done.error
    assert "Did you mean 'train'" in done.error


def test_what_is_there_stays_unless_said(cli, made):
    table = Path("made.cif.csv")
    table.write_text("mine")
    done = cli("data", "export", "made", "--format", "cif")
    assert "'made.cif.csv' exists" in done.error
    assert table.read_text() == "mine"
    assert not Path("made.cif").exists()
    assert cli("data", "export", "made", "--format", "cif", "--replace").code == 0
    assert table.read_text().startswith("id,energy")


def test_a_format_that_is_only_read_is_refused(cli, made):
    done = cli("data", "export", "made", "--format", "csv")
    assert "is read, and not written" in done.error
    assert "extxyz" in done.error
