"""LiPS from local files: both formats, units, splits, and what is rejected."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import lmdb
import numpy as np
import pytest
import torch

from matsciml_core.errors import DataError, UnitError
from matsciml_core.testing import DatasetContract
from matsciml_data_lips.config import LiPSConfig
from matsciml_data_lips.dataset import LiPS
from matsciml_data_lips.inventory import split_sizes, take_inventory

NUMBERS = [3] * 27 + [15] * 12 + [16] * 44
SHARED = next(
    (
        found
        for parent in Path(__file__).resolve().parents
        if (found := parent.parent / "shared/data/toolkit-lmdb/lips.lmdb").is_file()
    ),
    None,
)
needs_sample = pytest.mark.skipif(
    SHARED is None, reason="the toolkit's sample of LiPS is not beside the repository"
)


def frame(seed: int) -> dict[str, object]:
    """Return a made-up frame: the right atoms on a grid, moved a little."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(5)] * 3), -1).reshape(-1, 3)[:83] * 2.4
    return {
        "pos": torch.tensor(grid + 0.1 * random.normal(size=(83, 3)), dtype=torch.float32),
        "cell": 12.0 * torch.eye(3),
        "atomic_numbers": torch.tensor(NUMBERS),
        "energy": np.float64(-357.6 + 0.5 * random.normal()),
        "force": torch.tensor(0.6 * random.normal(size=(83, 3)), dtype=torch.float32),
        "pbc": torch.tensor([1, 1, 1]),
    }


def write_lmdb(path: Path, records: list[object]) -> Path:
    environment = lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 28)
    with environment, environment.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put(str(number).encode(), pickle.dumps(record))
    return path


def write_xyz(path: Path, records: list[dict[str, object]]) -> Path:
    symbols = {3: "Li", 15: "P", 16: "S"}
    lines = []
    for one in records:
        cell = " ".join(str(value) for value in np.asarray(one["cell"]).ravel())
        head = f'Lattice="{cell}" Properties=species:S:1:pos:R:3:forces:R:3 energy={one["energy"]}'
        lines += ["83", f'{head} pbc="T T T"']
        for number, place, force in zip(
            NUMBERS, np.asarray(one["pos"]), np.asarray(one["force"]), strict=True
        ):
            lines.append(" ".join(map(str, (symbols[number], *place, *force))))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))


@pytest.fixture
def records() -> list[dict[str, object]]:
    return [frame(seed) for seed in range(12)]


class TestContract(DatasetContract):
    """Every check of the kit, on made-up frames."""

    spec_name = "lips"
    quick = True

    @pytest.fixture(autouse=True)
    def _frames(self, tmp_path: Path, records: list[dict[str, object]]) -> None:
        LiPS(LiPSConfig(path=str(write_lmdb(tmp_path / "frames.lmdb", records))))


def test_both_formats_give_the_same_crystals(
    tmp_path: Path, records: list[dict[str, object]]
) -> None:
    toolkit = LiPS(LiPSConfig(path=str(write_lmdb(tmp_path / "a.lmdb", records))))
    xyz = LiPS(LiPSConfig(path=str(write_xyz(tmp_path / "a.xyz", records))))
    one, two = (dataset.__getitems__(range(12)) for dataset in (toolkit, xyz))
    assert one.ids == two.ids
    assert torch.equal(one.atomic_numbers, two.atomic_numbers)
    torch.testing.assert_close(one.positions, two.positions, atol=1e-6, rtol=0)
    torch.testing.assert_close(one.targets["energy"], two.targets["energy"], atol=1e-6, rtol=0)
    torch.testing.assert_close(one.targets["forces"], two.targets["forces"], atol=1e-6, rtol=0)


def test_energies_keep_double_precision(tmp_path: Path, records: list[dict[str, object]]) -> None:
    dataset = LiPS(LiPSConfig(path=str(write_lmdb(tmp_path / "a.lmdb", records))))
    assert dataset[3].labels["energy"] == records[3]["energy"]


def test_a_file_that_was_read_is_found_without_being_named(
    tmp_path: Path, records: list[dict[str, object]]
) -> None:
    assert take_inventory() is None
    named = LiPS(LiPSConfig(path=str(write_lmdb(tmp_path / "a.lmdb", records))))
    found = LiPS()
    assert found.provenance.content_hash == named.provenance.content_hash
    inventory = take_inventory()
    assert inventory is not None
    assert inventory.sizes == {"energy": (8, 3, 1), "forces": (8, 3, 1)}


def test_without_data_it_says_where_to_get_it() -> None:
    with pytest.raises(DataError, match=r"no data of 'lips' on this machine.*dataset\.path"):
        LiPS()


def test_a_store_can_be_named(tmp_path: Path, records: list[dict[str, object]]) -> None:
    folder = LiPS.find_store(str(write_lmdb(tmp_path / "a.lmdb", records)))
    assert len(LiPS(LiPSConfig(path=str(folder)))) == 12


class TestSplits:
    def test_blocked_is_in_the_order_of_time(
        self, tmp_path: Path, records: list[dict[str, object]]
    ) -> None:
        dataset = LiPS(LiPSConfig(path=str(write_lmdb(tmp_path / "a.lmdb", records))))
        subsets = list(dataset.split().subsets.values())
        assert [len(subset) for subset in subsets] == list(split_sizes(12))
        assert max(subsets[0]) < min(subsets[1]) <= max(subsets[1]) < min(subsets[2])
        assert dataset.split(seed=4).hash == dataset.split().hash
        assert dataset.split("random", 1).hash != dataset.split("random", 2).hash
        dataset.split("mdsim").save(tmp_path / "mine.json")
        assert dataset.split(str(tmp_path / "mine.json")).hash == dataset.split("mdsim").hash

    def test_the_published_sizes(self) -> None:
        assert split_sizes(25_000) == (17_500, 5_000, 2_500)


class TestRefusals:
    def test_energies_in_another_unit(self, tmp_path: Path) -> None:
        hartree = {**frame(0), "energy": np.float64(-357.6 / 27.2114)}
        with pytest.raises(UnitError, match="Label 'energy' of record 0 is -13"):
            LiPS.find_store(str(write_lmdb(tmp_path / "a.lmdb", [hartree])))

    def test_forces_in_another_unit(self, tmp_path: Path) -> None:
        record = frame(0)
        millielectronvolt = {**record, "force": 1000 * record["force"]}  # type: ignore[operator]
        with pytest.raises(UnitError, match="Label 'forces' of record 0 has a component"):
            LiPS.find_store(str(write_lmdb(tmp_path / "a.lmdb", [millielectronvolt])))

    def test_a_hostile_record_runs_nothing(self, tmp_path: Path) -> None:
        marker = tmp_path / "was-run"

        class Hostile:
            def __reduce__(self) -> tuple[object, ...]:
                return os.system, (f"touch {marker}",)

        file = write_lmdb(tmp_path / "a.lmdb", [frame(0), Hostile()])
        with pytest.raises(DataError, match=r"Record 1 of .* asks for"):
            LiPS.find_store(str(file))
        assert not marker.exists()

    def test_records_of_another_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="is no LiPS frame"):
            LiPS.find_store(str(write_lmdb(tmp_path / "a.lmdb", [{"pos": 1}])))

    def test_xyz_without_forces(self, tmp_path: Path) -> None:
        file = tmp_path / "a.xyz"
        file.write_text('1\nLattice="9 0 0 0 9 0 0 0 9"\nLi 0.0 0.0 0.0\n', encoding="utf-8")
        with pytest.raises(DataError, match=r"None of the 1 records .* no energy or no forces"):
            LiPS.find_store(str(file))

    def test_a_file_that_is_no_xyz(self, tmp_path: Path) -> None:
        file = tmp_path / "a.xyz"
        file.write_text("3\nLattice", encoding="utf-8")
        with pytest.raises(DataError, match=r"a\.xyz' cannot be read"):
            LiPS.find_store(str(file))

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist"):
            LiPS.find_store(str(tmp_path / "none.xyz"))


@needs_sample
class TestSample:
    """The hundred real frames that the toolkit ships."""

    def test_statistics(self) -> None:
        dataset = LiPS(LiPSConfig(path=str(SHARED)))
        batch = dataset.__getitems__(range(len(dataset)))
        assert len(dataset) == 100
        assert set(batch.atoms_per_crystal.tolist()) == {83}
        counts = torch.bincount(batch.atomic_numbers)
        assert (counts[[3, 15, 16]] / 100).tolist() == [27, 12, 44]
        assert batch.targets["energy"].mean().item() == pytest.approx(-357.60, abs=0.05)
        assert batch.targets["energy"].std().item() == pytest.approx(0.546, abs=0.05)
        assert batch.targets["forces"].abs().mean().item() == pytest.approx(0.44, abs=0.01)
        assert dataset[0].labels["energy"] == -357.05872304
