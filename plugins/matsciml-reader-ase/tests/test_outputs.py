"""Outputs of VASP: every complete step, the right energy, and no constraints from elsewhere."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, find_reader, parse_files, read
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_ase.vasp_samples import vasprun_samples

FIELD = Path(__file__).resolve().parents[3].parent / "shared" / "field"


def test_a_file_that_is_cut_keeps_its_complete_steps(tmp_path):
    (sample,) = vasprun_samples(tmp_path)
    text = sample.path.read_text()
    sample.path.write_text(text[: text.rindex('<varray name="stress">')])
    frame, torn = read(sample.path)
    assert isinstance(frame, Frame)
    assert isinstance(torn, Rejection)
    assert "within this step" in torn.reason


@pytest.mark.parametrize(("written", "number"), [("r ", 40), ("X ", 54)])
def test_elements_that_vasp_abridges(tmp_path, written, number):
    (sample,) = vasprun_samples(tmp_path)
    text = sample.path.read_text()
    first = re.search(r'<array name="atoms".*?<rc><c>(\S+\s*)</c>', text, re.DOTALL)
    sample.path.write_text(text[: first.start(1)] + written + text[first.end(1) :])
    frame = next(iter(read(sample.path)))
    assert isinstance(frame, Frame)
    assert frame.atomic_numbers[0] == number


def test_which_energy_is_asked(tmp_path):
    (sample,) = vasprun_samples(tmp_path)
    registry = build_registry()
    with pytest.raises(ConfigError, match=r"energy_sigma0 \(eV\).*free_energy \(eV\)"):
        parse_files(ImportRequest(paths=(sample.path,), labels=("energy=eV",)), registry)
    labels = ("energy=free_energy:eV", "stress")
    conversion = parse_files(ImportRequest(paths=(sample.path,), labels=labels), registry)
    crystal = next(iter(conversion.source(0)))
    assert crystal.labels["energy"] == -6.7
    # 16 kbar of compression are -0.00998... eV/Å³ under tension.
    np.testing.assert_allclose(np.diag(crystal.labels["stress"]), -1.6 / 160.21766208)


@pytest.mark.skipif(not FIELD.exists(), reason="the field inputs are not here")
def test_a_file_of_vasp_is_read_as_ase_does():
    path = FIELD / "real" / "27998_vasprun.xml"
    frames = list(read(path))
    images = ase.io.read(path, index=":")
    assert len(frames) == len(images)
    for frame, atoms in zip(frames, images, strict=True):
        np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-8)
        np.testing.assert_allclose(frame.values["forces"], atoms.calc.results["forces"])
        assert frame.values["energy_sigma0"] == pytest.approx(atoms.calc.results["energy"])
        assert frame.values["free_energy"] == pytest.approx(atoms.calc.results["free_energy"])
        assert int(np.sum(frame.site_properties["fixed"])) == 8


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("vasp/OUTCAR_example_1", "outcar"),
        ("aims/md.out", "aims"),
        ("aims/relax.out", "aims"),
        ("castep/md.castep", "castep"),
        ("gpaw_expected_text_output", "gpaw"),
    ],
)
def test_files_of_the_codes_themselves_are_read_as_ase_does(name, reader):
    path = Path(ase.__file__).parent / "test" / "testdata" / name
    if not path.exists():
        pytest.skip("this ASE comes without its files for tests")
    if reader != "aims":  # those for tests lack the first lines of an output
        assert find_reader(path, build_registry()).name == reader
    frames = [record for record in read(path, reader) if isinstance(record, Frame)]
    form = {"outcar": "vasp-out", "aims": "aims-output", "castep": "castep-castep"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = ase.io.read(path, index=":", format=form.get(reader, "gpaw-out"))
    assert len(frames) == len(images) > 0
    for frame, atoms in zip(frames, images, strict=True):
        np.testing.assert_allclose(frame.positions, atoms.positions)
        energy = frame.values["energy" if reader == "aims" else "energy_sigma0"]
        assert energy == atoms.calc.results["energy"]
        assert "fixed" not in frame.site_properties or reader != "outcar"


def test_what_is_no_output_is_explained(tmp_path):
    (tmp_path / "OUTCAR").write_text(" vasp.6.3.0 18Jan22\n cut\n")
    with pytest.raises(DataError, match="no complete step"):
        list(read(tmp_path / "OUTCAR"))
    (tmp_path / "vasprun.xml").write_text("<modeling>")
    with pytest.raises(DataError, match=r"is no vasprun\.xml"):
        list(read(tmp_path / "vasprun.xml"))


def test_structures_of_an_xdatcar_that_ase_writes(tmp_path):
    images = [bulk("NaCl", "rocksalt", a=5.6, cubic=True) for _ in range(3)]
    for seed, image in enumerate(images):
        image.rattle(0.05, seed=seed)
    ase.io.write(tmp_path / "XDATCAR", images, format="vasp-xdatcar")
    records = list(read(tmp_path / "XDATCAR"))
    assert len(records) == len(images)
    for frame, image in zip(records, images, strict=True):
        assert np.asarray(frame.atomic_numbers).tolist() == image.numbers.tolist()
        np.testing.assert_allclose(frame.positions, image.positions, atol=1e-6)
        np.testing.assert_allclose(frame.cell, image.cell.array, atol=1e-6)
        assert not frame.values
