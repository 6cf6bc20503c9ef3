"""VASP's output in HDF5: what its authors' own library reads, and what is not taken for a label."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import Frame, ImportRequest, find_reader, parse_files, read
from matsciml_core.data.readers.detection import assign
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.registry.manager import build_registry
from matsciml_reader_ase.vasp_samples import vaspout_samples, vasprun_samples

STEPS = "intermediate/ion_dynamics"


@pytest.fixture
def relaxation(tmp_path: Path) -> Path:
    return vaspout_samples(tmp_path)[0].path


def replace_dataset(path: Path, name: str, values: object) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values


def test_it_is_read_as_vasprun_xml_is(tmp_path: Path, relaxation: Path) -> None:
    (xml,) = vasprun_samples(tmp_path)
    for mine, other in zip(read(relaxation), read(xml.path), strict=True):
        assert isinstance(mine, Frame)
        assert isinstance(other, Frame)
        np.testing.assert_allclose(mine.positions, other.positions)
        np.testing.assert_allclose(mine.cell, other.cell)
        np.testing.assert_allclose(mine.values["forces"], other.values["forces"])
        assert mine.values["free_energy"] == other.values["free_energy"]
        assert mine.units == other.units
        assert mine.site_properties["fixed"].tolist() == other.site_properties["fixed"].tolist()


def test_which_energy_is_asked_and_the_stress_gets_the_sign_of_ase(relaxation: Path) -> None:
    registry = build_registry()
    with pytest.raises(ConfigError, match=r"energy_sigma0 \(eV\).*free_energy \(eV\)"):
        parse_files(ImportRequest(paths=(relaxation,), labels=("energy=eV",)), registry)
    labels = ("energy=free_energy:eV", "forces", "stress")
    conversion = parse_files(ImportRequest(paths=(relaxation,), labels=labels), registry)
    crystal = next(iter(conversion.source(0)))
    assert crystal.labels["energy"] == -6.7
    expected = -np.array([[16, 1, 2], [1, 17, 3], [2, 3, 18]]) * 0.1 / 160.21766208
    np.testing.assert_allclose(crystal.labels["stress"], expected)


def test_a_stress_that_was_not_calculated_is_no_label(tmp_path: Path) -> None:
    """VASP writes nine zeros where ISIF is 0, its default in molecular dynamics."""
    dynamics = vaspout_samples(tmp_path)[1].path
    with h5py.File(dynamics) as file:
        assert not file[f"{STEPS}/stress"][()].any()
    frames = [record for record in read(dynamics) if isinstance(record, Frame)]
    assert len(frames) == 2
    assert all("stress" not in frame.values for frame in frames)


def test_a_step_that_was_not_written_to_its_end_is_counted(relaxation: Path) -> None:
    with h5py.File(relaxation) as file:
        forces = file[f"{STEPS}/forces"][:1]
    replace_dataset(relaxation, f"{STEPS}/forces", forces)
    frame, torn = read(relaxation)
    assert isinstance(frame, Frame)
    assert isinstance(torn, Rejection)
    assert torn.id == "vaspout-000001"


def test_quantities_of_different_steps_are_not_put_together(relaxation: Path) -> None:
    replace_dataset(relaxation, f"{STEPS}/energies", np.zeros((4, 3)))
    with pytest.raises(DataError, match=r"different number of steps.*4 of energies"):
        list(read(relaxation))


def test_a_run_that_is_not_finished_has_its_elements_in_the_input(relaxation: Path) -> None:
    before = list(read(relaxation))
    with h5py.File(relaxation, "r+") as file:
        del file["results"]
    for frame, other in zip(read(relaxation), before, strict=True):
        assert isinstance(frame, Frame)
        assert isinstance(other, Frame)
        assert frame.atomic_numbers == other.atomic_numbers
        assert frame.site_properties["held_axes"].tolist() == [0, 32]


def test_moments_of_older_files_and_of_spins_in_all_directions(relaxation: Path) -> None:
    with h5py.File(relaxation, "r+") as file:
        del file[f"{STEPS}/magnetism"]
        file[f"{STEPS}/magnetism/moments"] = np.arange(16.0).reshape(2, 4, 2, 1)
    frame = next(iter(read(relaxation)))
    assert isinstance(frame, Frame)
    assert frame.values["charge_in_sphere"].tolist() == [0, 1]
    assert frame.values["magmom"].tolist() == [[2, 4, 6], [3, 5, 7]]


def test_symbols_with_the_name_of_a_potential(relaxation: Path) -> None:
    replace_dataset(
        relaxation, "results/positions/ion_types", np.array(["Na_pv", "Cl/1a2b"], dtype="S7")
    )
    frame = next(iter(read(relaxation)))
    assert isinstance(frame, Frame)
    assert list(np.asarray(frame.atomic_numbers)) == [11, 17]


def test_of_a_folder_each_calculation_is_read_once(tmp_path: Path, relaxation: Path) -> None:
    (xml,) = vasprun_samples(tmp_path)
    (tmp_path / "dynamics.h5").unlink()
    (tmp_path / "POSCAR").write_text("x")
    spec_of = {item.path.name: item.spec for item in assign(tmp_path, build_registry())}
    assert spec_of["vaspout.h5"] is None
    assert spec_of["POSCAR"] is None
    assert spec_of["vasprun.xml"] is not None
    xml.path.unlink()
    spec_of = {item.path.name: item.spec for item in assign(tmp_path, build_registry())}
    spec = spec_of["vaspout.h5"]
    assert spec is not None
    assert spec.name == "vaspout"
    assert spec_of["POSCAR"] is None


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("results/positions/ion_types", np.array(["Qq", "Cl"], dtype="S2"), "'Qq', which is no"),
        ("results/positions/number_ion_types", [1, 2], "has 3 atoms, and '.*position_ions'"),
        (f"{STEPS}/lattice_vectors", np.eye(3), "has the shape"),
    ],
)
def test_what_does_not_fit_together_is_explained(
    relaxation: Path, name: str, values: object, sentence: str
) -> None:
    replace_dataset(relaxation, name, values)
    with pytest.raises(DataError, match=sentence):
        list(read(relaxation))


def test_another_hdf5_file_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["energies"] = [1.0]
    assert find_reader(path, build_registry()).name == "vaspout"
    with pytest.raises(DataError, match=r"no vaspout\.h5 of VASP: it has no list of atoms"):
        list(read(path))


def test_nothing_outside_of_the_file_is_opened(tmp_path: Path, relaxation: Path) -> None:
    with h5py.File(relaxation, "r+") as file:
        shape = file[f"{STEPS}/forces"].shape
        forces = file[f"{STEPS}/forces"][()]
        del file[f"{STEPS}/forces"]
        file[f"{STEPS}/forces"] = h5py.ExternalLink("other.h5", "forces")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["forces"] = forces
    with pytest.raises(DataError, match="from another file"):
        list(read(relaxation))
    with h5py.File(relaxation, "r+") as file:
        del file[f"{STEPS}/forces"]
        outside = [(str(tmp_path / "forces.bin"), 0, forces.nbytes)]
        file.create_dataset(f"{STEPS}/forces", shape, dtype=float, external=outside)
    with pytest.raises(DataError, match=r"numbers of .* in another file"):
        list(read(relaxation))


def test_numbers_that_the_file_cannot_hold(relaxation: Path) -> None:
    with h5py.File(relaxation, "r+") as file:
        del file[f"{STEPS}/energies"]
        file.create_dataset(f"{STEPS}/energies", (1 << 40, 3), dtype=float, chunks=(1024, 3))
    with pytest.raises(DataError, match="announces more numbers"):
        list(read(relaxation))


def test_it_is_read_as_the_library_of_its_authors_does(tmp_path: Path) -> None:
    py4vasp = pytest.importorskip("py4vasp", reason="py4vasp is not installed")
    for sample in vaspout_samples(tmp_path):
        folder = tmp_path / sample.path.stem
        folder.mkdir()
        sample.path.rename(folder / "vaspout.h5")
        theirs = py4vasp.Calculation.from_path(folder)
        frames = [record for record in read(folder / "vaspout.h5") if isinstance(record, Frame)]
        assert len(frames) == theirs.structure[:].number_steps()
        for index, frame in enumerate(frames):
            structure = theirs.structure[index]
            np.testing.assert_allclose(frame.positions, structure.cartesian_positions())
            np.testing.assert_allclose(frame.cell, structure.lattice_vectors())
            np.testing.assert_allclose(
                frame.values["forces"], theirs.force[index].to_dict()["forces"]
            )
            energy = theirs.energy[index].to_dict("TOTEN")
            assert frame.values["free_energy"] in energy.values()
            if "stress" in frame.values:
                stress = theirs.stress[index].to_dict()["stress"]
                np.testing.assert_allclose(frame.values["stress"], stress)
