"""Training data of potentials: elements, units and signs are said, and never guessed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from matsciml_core.data import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, get_reader, parse_files, read
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.manager import build_registry
from matsciml_core.testing.reader.writing import TARGETS, example_crystals
from matsciml_reader_potentials.deepmd_writer import write_crystals
from matsciml_reader_potentials.samples import deepmd_samples, mtp_samples, n2p2_samples

REGISTRY = build_registry(only=["matsciml-reader-potentials"])


def frames(path: Path, **options: str) -> list[Frame]:
    records = list(read(path, registry=REGISTRY, options=options))
    assert all(isinstance(record, Frame) for record in records), records
    return records


def crystals(path: Path, *labels: str, **options: str):
    request = ImportRequest(paths=(path,), labels=labels, options=options)
    return list(parse_files(request, REGISTRY).source(0))


def test_a_virial_becomes_a_stress_with_the_other_sign(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    crystal = crystals(tmp_path / "plain", "energy", "stress=virial:eV")[0]
    np.testing.assert_allclose(
        crystal.labels["stress"], -np.diag([1.0, 2.0, 3.0]) / crystal.volume, rtol=1e-12
    )
    assert crystal.labels["energy"] == -6.5


def test_types_without_elements_are_asked_for(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    (tmp_path / "plain" / "type_map.raw").unlink()
    with pytest.raises(DataError, match=r"no type_map.raw.*--set elements"):
        frames(tmp_path / "plain")
    first = frames(tmp_path / "plain", elements="K, F")[0]
    assert np.asarray(first.atomic_numbers).tolist() == [9, 19]
    with pytest.raises(ConfigError, match="'Xx' is no element"):
        frames(tmp_path / "plain", elements="Xx")


def test_a_type_map_of_names_that_are_no_elements_is_refused(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    (tmp_path / "plain" / "type_map.raw").write_text("TYPE_0\nTYPE_1\n")
    with pytest.raises(DataError, match="'TYPE_0', which is no element"):
        frames(tmp_path / "plain")


def test_nopbc_means_no_periodicity(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    (tmp_path / "plain" / "nopbc").touch()
    (tmp_path / "plain" / "set.000" / "box.npy").unlink()
    frame = frames(tmp_path / "plain")[0]
    assert frame.pbc == (False, False, False)
    assert not np.any(frame.cell)


def test_spins_and_what_belongs_to_atoms_have_a_row_for_each(tmp_path: Path) -> None:
    """As DeePMD-kit's model with spins is trained on; ``-1`` marks places without an atom."""
    folder = tmp_path / "mixed" / "set.000"
    folder.mkdir(parents=True)
    (tmp_path / "mixed" / "type.raw").write_text("0\n" * 3)
    (tmp_path / "mixed" / "type_map.raw").write_text("Fe O\n")
    rows = {
        "coord": np.arange(9.0)[None],
        "box": 20 * np.eye(3).reshape(1, 9),
        "real_atom_types": np.array([[0, -1, 1]]),
        "spin": np.arange(9.0)[None],
        "force_mag": -np.arange(9.0)[None],
        "aparam": np.arange(6.0)[None],
        "fparam": np.arange(3.0)[None],
        "atomic_dipole": np.arange(5.0)[None],  # of chosen types: fewer than there are atoms
    }
    for name, row in rows.items():
        np.save(folder / f"{name}.npy", row)
    (frame,) = frames(tmp_path / "mixed")
    np.testing.assert_array_equal(frame.values["spin"], [[0, 1, 2], [6, 7, 8]])
    np.testing.assert_array_equal(frame.values["force_mag"], [[0, -1, -2], [-6, -7, -8]])
    np.testing.assert_array_equal(frame.values["aparam"], [[0, 1], [4, 5]])
    assert frame.values["fparam"].shape == (3,)
    assert frame.values["atomic_dipole"].shape == (5,)


def test_sets_whose_files_disagree_are_refused(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    np.save(tmp_path / "plain" / "set.000" / "energy.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"2 frames, and 3 rows in energy.npy"):
        frames(tmp_path / "plain")


def test_objects_in_a_file_are_not_unpickled(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    path = tmp_path / "plain" / "set.000" / "energy.npy"
    np.save(path, np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read as deepmd"):
        frames(tmp_path / "plain")


def test_systems_of_a_folder_are_read_together(tmp_path: Path) -> None:
    deepmd_samples(tmp_path)
    assert len(frames(tmp_path)) == 4


def test_sets_are_cut_where_they_grow_large(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("matsciml_reader_potentials.deepmd_writer._NUMBERS_PER_SET", 6)
    twice = [*example_crystals()[:2], *example_crystals()[3:]]
    write_crystals(twice, TARGETS, tmp_path / "out")
    names = [frame.name for frame in frames(tmp_path / "out")]
    assert sorted(names) == sorted(crystal.id for crystal in twice)


@pytest.mark.slow
def test_dpdata_reads_what_is_written_and_the_other_way_round(tmp_path: Path) -> None:
    dpdata = pytest.importorskip("dpdata")
    examples = [crystal for crystal in example_crystals() if crystal.num_atoms == 2]
    write_crystals(examples, TARGETS, tmp_path / "out")
    systems = dpdata.MultiSystems()
    systems.load_systems_from_file(str(tmp_path / "out"), fmt="deepmd/npy/mixed")
    theirs = {tuple(sorted(system["atom_types"])): system for system in systems.systems.values()}
    assert len(theirs) == len(examples)
    energies = sorted(float(system["energies"][0]) for system in systems.systems.values())
    np.testing.assert_allclose(energies, sorted(c.labels["energy"] for c in examples))
    shutil.rmtree(tmp_path / "out")
    systems.to("deepmd/npy/mixed", str(tmp_path / "back"))
    ours = {tuple(np.asarray(frame.atomic_numbers)): frame for frame in frames(tmp_path / "back")}
    for crystal in examples:
        frame = ours[tuple(crystal.atomic_numbers)]
        # dpdata turns cells into its own frame; products of vectors stay.
        np.testing.assert_allclose(
            frame.cell @ frame.cell.T, crystal.cell @ crystal.cell.T, atol=1e-9
        )
        pressure = np.trace(frame.values["virial"]) / crystal.volume
        assert pressure == pytest.approx(-np.trace(crystal.labels["stress"]))


def test_types_of_mtp_are_asked_for(tmp_path: Path) -> None:
    (sample,) = mtp_samples(tmp_path)
    with pytest.raises(ConfigError, match=r"numbers its types.*--set elements=Cu,O"):
        frames(sample.path)
    records = list(read(sample.path, registry=REGISTRY, options={"elements": "Na"}))
    assert [type(record) for record in records] == [Rejection] * 2
    assert "Type 1 has no element" in records[0].detail


def test_plus_stress_is_read_by_its_header(tmp_path: Path) -> None:
    (sample,) = mtp_samples(tmp_path)
    text = sample.path.read_text()
    header, other = (
        "xx          yy          zz          yz          xz          xy",
        "xx xy xz yy yz zz",
    )
    sample.path.write_text(text.replace(header, other))
    values = frames(sample.path, elements="Na,Cl")[0].values["plus_stress"]
    assert values.tolist() == [1, 4, 6, 5, 3, 2]


def test_the_sign_of_plus_stress_is_that_of_a_virial(tmp_path: Path) -> None:
    (sample,) = mtp_samples(tmp_path)
    crystal = crystals(sample.path, "energy", "stress=plus_stress:eV", elements="Na,Cl")[0]
    assert crystal.labels["stress"][0, 0] == pytest.approx(-1.0 / crystal.volume)
    assert crystal.labels["stress"][1, 2] == pytest.approx(-4.0 / crystal.volume)


@pytest.mark.parametrize("cut", ["Supercell", "Energy", "END_CFG"])
def test_a_configuration_without_a_part(tmp_path: Path, cut: str) -> None:
    (sample,) = mtp_samples(tmp_path)
    text = sample.path.read_text()
    first = text[: text.index("END_CFG") + len("END_CFG\n")]
    if cut == "Supercell":
        lines = first.splitlines(keepends=True)
        sample.path.write_text("".join(lines[:3] + lines[7:]))
        (frame,) = frames(sample.path, elements="Na,Cl")
        assert not np.any(frame.pbc)
    elif cut == "Energy":
        sample.path.write_text(first.replace(" Energy\n        -6.500000000000\n", ""))
        (frame,) = frames(sample.path, elements="Na,Cl")
        assert "energy" not in frame.values
    else:
        sample.path.write_text(first + text[: text.index("Energy")])
        records = list(read(sample.path, registry=REGISTRY, options={"elements": "Na,Cl"}))
        assert isinstance(records[1], Rejection)
        assert "ends before the end" in records[1].reason


def test_units_of_n2p2_are_asked_for_and_convert(tmp_path: Path) -> None:
    (sample,) = n2p2_samples(tmp_path)
    with pytest.raises(ConfigError, match="does not say its units"):
        frames(sample.path)
    atomic = crystals(sample.path, "energy", "forces", units="atomic")[0]
    assert atomic.labels["energy"] == pytest.approx(-0.25 * 27.211386246)
    assert atomic.labels["forces"][0, 0] == pytest.approx(0.01 * 51.42206747)
    assert atomic.cell[0, 0] == pytest.approx(8 * 0.529177210544)
    metal = crystals(sample.path, "energy", units="metal")[0]
    assert (metal.labels["energy"], metal.cell[0, 0]) == (-0.25, 8.0)
    with pytest.raises(ConfigError, match="says otherwise"):
        crystals(sample.path, "energy=eV", units="atomic")


def test_formats_are_told_by_content(tmp_path: Path) -> None:
    (sample,) = n2p2_samples(tmp_path)
    renamed = sample.path.rename(tmp_path / "train.txt")
    assert len(frames(renamed, units="metal")) == 2
    assert get_reader("mtp", REGISTRY).name == "mtp"


def test_other_columns_of_a_configuration_are_values_per_atom(tmp_path: Path) -> None:
    path = tmp_path / "sites.cfg"
    path.write_text(
        "BEGIN_CFG\n Size\n 2\n Supercell\n 4 0 0\n 0 4 0\n 0 0 4\n"
        " AtomData:  id type cartes_x cartes_y cartes_z site_en\n"
        "  1 0 0 0 0 -1.5\n  2 1 2 2 2 -2.5\n Energy\n -4.0\nEND_CFG\n"
    )
    (frame,) = frames(path, elements="Na,Cl")
    assert frame.values["site_en"].tolist() == [-1.5, -2.5]
    request = ImportRequest(
        paths=(path,), labels=("site_en=eV",), per_atom=("site_en",), options={"elements": "Na,Cl"}
    )
    (crystal,) = parse_files(request, REGISTRY).source(0)
    assert crystal.labels["site_en"].tolist() == [-1.5, -2.5]


def test_spellings_of_earlier_versions_keep_the_cell(tmp_path: Path) -> None:
    (sample,) = mtp_samples(tmp_path)
    text = sample.path.read_text()
    sample.path.write_text(
        text.replace("Supercell", "SuperCell").replace("AtomData", "Atomic_data")
    )
    for frame, expected in zip(frames(sample.path, elements="Na,Cl"), sample.frames, strict=True):
        np.testing.assert_array_equal(frame.cell, expected.cell)
        assert np.all(frame.pbc)


@pytest.mark.parametrize("title", ["Stress:", "Virial:"])
def test_stresses_of_another_meaning_are_refused(tmp_path: Path, title: str) -> None:
    (sample,) = mtp_samples(tmp_path)
    sample.path.write_text(sample.path.read_text().replace("PlusStress:", title))
    for record in read(sample.path, registry=REGISTRY, options={"elements": "Na,Cl"}):
        assert isinstance(record, Rejection)
        assert "write it as PlusStress" in (record.detail or record.reason)


def test_ghosts_are_no_atoms_and_moments_have_three_parts(tmp_path: Path) -> None:
    path = tmp_path / "magnetic.cfg"
    text = (
        "BEGIN_CFG\n Size\n 2\n Supercell\n 4 0 0\n 0 4 0\n 0 0 4\n"
        " AtomData:  id type cartes_x cartes_y cartes_z magmom_x magmom_y magmom_z ghost\n"
        "  1 0 0 0 0 0.5 0 -2 false\n  2 1 2 2 2 0 1 3 false\n Energy\n -4.0\nEND_CFG\n"
    )
    path.write_text(text)
    (frame,) = frames(path, elements="Fe,O")
    np.testing.assert_array_equal(frame.values["magmom"], [[0.5, 0, -2], [0, 1, 3]])
    path.write_text(text.replace("3 false", "3 true"))
    (record,) = read(path, registry=REGISTRY, options={"elements": "Fe,O"})
    assert isinstance(record, Rejection)
    assert "ghosts" in (record.detail or record.reason)


def test_columns_that_runner_2_names_are_read_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "input.data"
    text = (
        "begin position(3) element forces(3) charge hirshv\n"
        "comment of the beginning\n"
        "lattice 8 0 0\nlattice 0 8 0\nlattice 0 0 9\n"
        "atom 0 0 0 Na 0.1 0.2 0.3 0.9 40\natom 4 4 4.5 Cl -0.1 -0.2 -0.3 -0.9 50\n"
        "energy -0.25\ncharge 0\nend\n"
    )
    path.write_text(text)
    (frame,) = frames(path, units="atomic")
    np.testing.assert_array_equal(frame.values["forces"], [[0.1, 0.2, 0.3], [-0.1, -0.2, -0.3]])
    np.testing.assert_array_equal(frame.values["charges"], [0.9, -0.9])
    np.testing.assert_array_equal(frame.values["hirshv"], [40, 50])
    assert (frame.values["energy"], frame.values["charge"]) == (-0.25, 0.0)
    path.write_text(text.replace(" hirshv", ""))
    (record,) = read(path, registry=REGISTRY, options={"units": "atomic"})
    assert isinstance(record, Rejection)


def test_what_ase_writes_of_runner_2_is_read_alike(tmp_path: Path) -> None:
    ase = pytest.importorskip("ase")
    io = pytest.importorskip("ase.io")
    calculators = pytest.importorskip("ase.calculators.singlepoint")
    atoms = ase.Atoms("NaCl", [[0.1, 0, 0], [2, 2, 2.5]], cell=np.diag([4, 4, 5.0]), pbc=True)
    results = {"energy": -6.5, "forces": np.array([[0.1, -0.2, 0.3], [-0.1, 0.2, -0.3]])}
    atoms.calc = calculators.SinglePointCalculator(atoms, **results)
    io.write(tmp_path / "input.data", [atoms, atoms], format="runnerdata")
    for crystal in crystals(tmp_path / "input.data", "energy", "forces", units="atomic"):
        np.testing.assert_allclose(crystal.positions, atoms.positions, atol=1e-9)
        np.testing.assert_allclose(crystal.cell, atoms.cell.array, atol=1e-9)
        np.testing.assert_allclose(crystal.labels["energy"], -6.5, atol=1e-7)
        np.testing.assert_allclose(crystal.labels["forces"], results["forces"], atol=1e-7)


def test_structures_without_forces_have_none(tmp_path: Path) -> None:
    (sample,) = n2p2_samples(tmp_path)
    text = sample.path.read_text()
    for row in (" 0.01 -0.02 0.03", " -0.01 0.02 -0.03"):
        text = text.replace(row, "")
    sample.path.write_text(text)
    frame = frames(sample.path, units="atomic")[0]
    assert "forces" not in frame.values
    np.testing.assert_array_equal(frame.values["charges"], [0.5, -0.5])
