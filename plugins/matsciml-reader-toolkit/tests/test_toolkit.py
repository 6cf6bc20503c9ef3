"""Records of the toolkit's sets, in all the forms in which they were written."""

from __future__ import annotations

from pathlib import Path

import lmdb
import numpy as np
import pytest

from matsciml_core.data.ingestion.sources import Rejection
from matsciml_core.data.readers import InputFile
from matsciml_core.errors import DataError
from matsciml_reader_toolkit.reader import ToolkitReader, record_of
from matsciml_reader_toolkit.samples import write_records
from matsciml_util_toolkit_lmdb.pickle_machine import InertObject


def read(path):
    return list(ToolkitReader().read(InputFile(path)))


class TestObjectsOfPymatgen:
    def structure(self, species=("Na", "Cl")):
        core = pytest.importorskip("pymatgen.core")
        return core.Structure(
            core.Lattice.hexagonal(3.0, 5.0),
            list(species),
            [[0, 0, 0], [1 / 3, 2 / 3, 0.5]],
            site_properties={"magmom": [1.5, -0.5]},
        )

    def test_atoms_cell_and_what_is_said_of_sites(self, tmp_path):
        structure = self.structure()
        record = {"structure": structure, "targets": {"band_gap": 1.25}}
        write_records(tmp_path / "mine.lmdb", [record])
        (frame,) = read(tmp_path / "mine.lmdb")
        assert list(frame.atomic_numbers) == [11, 17]
        np.testing.assert_allclose(frame.positions, structure.cart_coords, atol=1e-12)
        np.testing.assert_allclose(frame.cell, structure.lattice.matrix)
        assert frame.values["magmom"] == [1.5, -0.5]
        assert frame.values["band_gap"] == 1.25

    def test_oxidation_states_are_passed_over(self, tmp_path):
        write_records(tmp_path / "mine.lmdb", [{"structure": self.structure(("Na+", "Cl-"))}])
        (frame,) = read(tmp_path / "mine.lmdb")
        assert list(frame.atomic_numbers) == [11, 17]

    def test_a_shared_site_is_refused(self, tmp_path):
        structure = self.structure(({"Na": 0.5, "K": 0.5}, "Cl"))
        write_records(tmp_path / "mine.lmdb", [{"structure": structure}])
        (record,) = read(tmp_path / "mine.lmdb")
        assert isinstance(record, Rejection)
        assert "several species" in record.reason


def test_a_graph_of_pytorch_geometric_whose_store_holds_it():
    entries = {
        "pos": np.zeros((1, 3)),
        "cell": np.eye(3)[None] * 4,
        "atomic_numbers": np.array([29.0]),
        "y": -3.5,
    }
    graph = InertObject("torch_geometric.data.data.Data", state={})
    store = InertObject("store", state={"_mapping": entries, "_parent": graph})
    graph.state["_store"] = store
    frame = record_of(graph, "mine-000000")
    assert list(frame.atomic_numbers) == [29]
    assert frame.cell.shape == (3, 3)
    assert frame.values["y"] == -3.5
    assert frame.pbc.all()


def test_fractions_that_are_called_cartesian_are_refused():
    record = {"cart_coords": [[0.5, 0.5, 0.5]], "atomic_numbers": [8], "cell": np.eye(3).tolist()}
    rejected = record_of(record, "mine-000000")
    assert "--dataset oqmd" in rejected.reason


@pytest.mark.parametrize("content", [{}, [1, 2], "text", {"structure": {"sites": 3}}])
def test_what_has_no_structure_is_refused(content):
    assert isinstance(record_of(content, "mine-000000"), Rejection)


def test_what_is_no_pickle_is_said(tmp_path):
    path = str(tmp_path / "ase.lmdb")
    with lmdb.open(path, subdir=False) as file, file.begin(write=True) as transaction:
        transaction.put(b"1", b"x\x9c compressed")
    with pytest.raises(DataError, match="--format aselmdb"):
        read(tmp_path / "ase.lmdb")


def test_positions_in_the_place_of_fractions_are_refused():
    def inert(name, **state):
        return InertObject(name, state=state)

    def record(positions):
        species = inert("c", _data={InertObject("Element", ("Cu",)): 1})
        sites = [inert("s", _frac_coords=np.array([0.5, 0.5, 0.5]), _species=species)]
        structure = inert("x", _lattice=inert("l", _matrix=4 * np.eye(3)), _sites=sites)
        return {"structure": structure, "graph": {"pos": np.array([positions])}}

    assert "CSV" in record_of(record([0.5, 0.5, 0.5]), "mine-000000").reason
    frame = record_of(record([2.0, 2.0, 2.0]), "mine-000000")
    np.testing.assert_allclose(frame.positions, [[2.0, 2.0, 2.0]])


def records_of(name):
    file = Path(__file__).parents[4] / "shared" / "data" / "toolkit-lmdb" / f"{name}.lmdb"
    if not file.exists():
        pytest.skip("needs ../shared/data/toolkit-lmdb, which is not part of the repository")
    return read(file)


@pytest.mark.parametrize(
    ("name", "label"),
    [("materials_project", "band_gap"), ("alexandria", "e_form"), ("lips", "force")],
)
def test_the_toolkits_own_files(name, label):
    records = records_of(name)
    assert len(records) > 40
    assert not any(isinstance(record, Rejection) for record in records)
    assert sum(label in record.values for record in records) == len(records)


def test_no_crystal_of_cdvaes_file_is_read_wrongly():
    records = records_of("cdvae_mp")
    assert len(records) == 50
    assert all(isinstance(record, Rejection) and "CSV" in record.reason for record in records)


def test_tensors_of_pytorch_as_colabfit_has_them(tmp_path):
    torch = pytest.importorskip("torch")
    record = {
        "pos": torch.tensor([[0.0, 0.0, 0.0], [1.8, 1.8, 0.0]]),
        "cell": 3.6 * torch.eye(3),
        "atomic_numbers": torch.tensor([29, 29]),
        "pbc": torch.tensor([True, True, False]),
        "potential-energy": torch.tensor(-4.1),
        "force": torch.tensor([[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]]),
        "stress": torch.full((9,), 2.0),
    }
    write_records(tmp_path / "colabfit.lmdb", [record])
    (frame,) = read(tmp_path / "colabfit.lmdb")
    assert frame.atomic_numbers.tolist() == [29, 29]
    assert frame.pbc.tolist() == [True, True, False]
    np.testing.assert_allclose(frame.positions[1], [1.8, 1.8, 0.0], rtol=1e-6)
    np.testing.assert_allclose(frame.values["potential-energy"], -4.1, rtol=1e-6)
    np.testing.assert_allclose(frame.values["force"][1], [0.0, 0.0, -0.1], rtol=1e-6)
    assert np.size(frame.values["stress"]) == 9
