"""The generated alloys: reproducible, physical, kept once, split by trajectory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from ase.units import kB

from matsciml_core.errors import ConfigError, DataError
from matsciml_core.testing import DatasetContract
from matsciml_data_emt.config import EMTConfig
from matsciml_data_emt.dataset import EMTAlloys, prepare
from matsciml_data_emt.dynamics import Langevin, generate, start

SMALL = {"trajectories": 10, "frames": 2, "repeats": 1, "steps_between": 1}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("emt")


@pytest.fixture(scope="session")
def dataset(folder: Path) -> EMTAlloys:
    return EMTAlloys(EMTConfig(**SMALL, folder=str(folder)))


class TestContract(DatasetContract):
    """Every check of the kit, on a few small cells."""

    spec_name = "emt"
    options = SMALL
    quick = True

    @pytest.fixture(autouse=True)
    def _own_folder(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        monkeypatch.setenv("MATSCIML_DATA", str(folder))


def test_labels_are_those_of_the_potential(dataset: EMTAlloys) -> None:
    from ase import Atoms

    crystal = dataset[7]
    atoms = Atoms(crystal.atomic_numbers, crystal.positions, cell=crystal.cell, pbc=True)
    atoms.calc = EMT()
    assert crystal.labels["energy"] == pytest.approx(atoms.get_potential_energy())
    np.testing.assert_allclose(crystal.labels["forces"], atoms.get_forces(), atol=1e-10)
    np.testing.assert_allclose(crystal.labels["stress"], atoms.get_stress(voigt=False), atol=1e-10)


def test_the_same_settings_give_the_same_crystals() -> None:
    settings = EMTConfig(**{**SMALL, "frames": 1})
    first, second = list(generate(settings)), list(generate(settings))
    other = next(iter(generate(settings.model_copy(update={"seed": 1}))))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.positions, two.positions)
    assert not np.allclose(first[0].positions, other.positions)


def test_trajectories_do_not_depend_on_how_many_there_are() -> None:
    few = EMTConfig(**{**SMALL, "frames": 1})
    many = EMTConfig(**{**SMALL, "frames": 1, "trajectories": 11})
    *_, last = generate(few)
    again = list(generate(many))[9]
    np.testing.assert_array_equal(last.positions, again.positions)


def test_second_use_reads_what_the_first_one_kept(
    folder: Path, dataset: EMTAlloys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(config: EMTConfig) -> None:
        raise RuntimeError("generated again")

    monkeypatch.setattr("matsciml_data_emt.dynamics.generate", fail)
    settings = EMTConfig(**SMALL, folder=str(folder))
    assert EMTAlloys(settings).provenance == dataset.provenance
    with pytest.raises(RuntimeError, match="generated again"):
        prepare(settings.model_copy(update={"seed": 5}))


def test_what_was_cut_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = EMTConfig(**SMALL, folder=str(tmp_path))
    whole = list(generate(settings))

    def interrupted(config: EMTConfig) -> object:
        yield from whole[:5]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("matsciml_data_emt.dynamics.generate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(settings)
    assert len(EMTAlloys(settings)) == 20


def test_no_trajectory_is_in_two_subsets(dataset: EMTAlloys) -> None:
    subsets = dataset.split().indices(dataset.ids)
    found = [{dataset.ids[k].partition("-")[0] for k in indices} for indices in subsets.values()]
    assert [len(names) for names in found] == [8, 1, 1]
    assert len(set.union(*found)) == 10
    assert dataset.split(seed=1).subsets != dataset.split(seed=0).subsets


def test_random_split_divides_trajectories(dataset: EMTAlloys) -> None:
    assert dataset.split_names == ("trajectory", "random")
    assert [len(names) for names in dataset.split("random").subsets.values()] == [16, 2, 2]


def test_a_split_can_be_read_from_a_file(dataset: EMTAlloys, tmp_path: Path) -> None:
    split = dataset.split("random", 3)
    split.save(tmp_path / "mine.json")
    assert dataset.split(str(tmp_path / "mine.json")).hash == split.hash


def test_the_thermostat_keeps_the_temperature() -> None:
    settings = EMTConfig(metals=("Cu",))
    random = np.random.default_rng(0)
    atoms = start(settings, random)
    motion = Langevin(atoms, 600.0, 4.0, random)
    motion.run(60)
    kinetic = []
    for _ in range(60):
        motion.run(1)
        kinetic.append(float((motion.masses * motion.velocities**2).mean()))
    # Equipartition: m v² = kB T per component; 96 components and some correlated steps.
    assert np.mean(kinetic) / kB == pytest.approx(600.0, rel=0.15)


def test_forces_are_large_enough_to_learn(dataset: EMTAlloys) -> None:
    batch = dataset.__getitems__(range(len(dataset)))
    assert 0.05 < batch.targets["forces"].abs().mean() < 3.0
    assert torch.isfinite(batch.targets["stress"]).all()


def test_it_says_that_it_is_a_toy(dataset: EMTAlloys) -> None:
    assert "toy" in dataset.provenance.source
    assert all("toy" in info.description for info in dataset.targets.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metals": []}, "at least one metal"),
        ({"metals": ["Cu", "Cu"]}, "each once"),
        ({"metals": ["Fe"]}, "metals"),
        ({"temperatures": [900, 300]}, "must not be above"),
        ({"trajectories": 3}, "trajectories"),
    ],
)
def test_settings_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EMTConfig.from_options(options, where="dataset")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataError, match=r"name another folder with --set dataset\.folder"):
        prepare(EMTConfig(**SMALL, folder=str(blocked / "below")))
