"""The data itself: counts, samples copied by hand from the tables, geometry and symmetry."""

from __future__ import annotations

import math
from collections import Counter

import moyopy
import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch, Neighbourhood
from matsciml_core.data import attach_neighbours, check_geometry
from matsciml_data_mp.dataset import MaterialsProject

COUNTS = {
    "formation_energy_per_atom": 3938,
    "energy_above_hull": 3938,
    "is_stable": 3938,
    "band_gap": 1056,
    "space_group": 6317,
    "bulk_modulus_vrh": 1180,
    "shear_modulus_vrh": 1180,
    "poisson_ratio": 1180,
    "refractive_index": 1056,
    "dielectric_constant_electronic": 1056,
    "dielectric_constant_total": 1056,
    "piezoelectric_modulus": 940,
    "log_bulk_modulus_vrh": 1180,
    "log_shear_modulus_vrh": 1180,
}
"""Rows of the tables; one row of the elastic and one of the piezoelectric table are left out."""


@pytest.fixture(scope="module")
def dataset() -> MaterialsProject:
    """All crystals."""
    return MaterialsProject()


@pytest.fixture(scope="module")
def everything(dataset: MaterialsProject) -> CrystalBatch:
    """All crystals as one batch."""
    return dataset.__getitems__(range(len(dataset)))


def present(everything: CrystalBatch, name: str) -> torch.Tensor:
    """Return the values of a label where it is not missing."""
    values = everything.targets[name]
    return values[values >= 0] if not values.is_floating_point() else values[~values.isnan()]


def get(dataset: MaterialsProject, name: str) -> Crystal:
    """Return a crystal by its id."""
    return dataset[dataset.ids.index(name)]


class TestCounts:
    def test_distinct_ids_in_numerical_order(self, dataset: MaterialsProject) -> None:
        numbers = [int(name.removeprefix("mp-")) for name in dataset.ids]
        assert len(numbers) == 6317
        assert numbers == sorted(set(numbers))

    @pytest.mark.parametrize("name", COUNTS)
    def test_labels(self, everything: CrystalBatch, name: str) -> None:
        assert len(present(everything, name)) == COUNTS[name]

    def test_all_elements_and_sizes(self, everything: CrystalBatch) -> None:
        assert everything.num_atoms == 69940
        assert int(everything.atoms_per_crystal.max()) == 152
        assert len(everything.atomic_numbers.unique()) == 87
        assert everything.pbc.all()

    def test_records_are_as_they_were_written(self, dataset: MaterialsProject) -> None:
        dataset.store.verify()

    def test_ranges(self, everything: CrystalBatch) -> None:
        """Extremes of the tables, so that no value was scaled, shifted or cut."""
        extremes = {
            "formation_energy_per_atom": (-4.451349734501818, 2.3394220774224146),
            "energy_above_hull": (0.0, 3.2119518609999993),
            "band_gap": (0.11, 8.32),
            "bulk_modulus_vrh": (6.47613489793, 435.661487298),
            "shear_modulus_vrh": (2.72217516753, 522.92122535),
            "poisson_ratio": (0.0425820695328, 0.467522820891),
            "refractive_index": (1.28, 16.03),
            "dielectric_constant_electronic": (1.63, 256.84),
            "dielectric_constant_total": (2.08, 277.78),
            "piezoelectric_modulus": (6e-06, 46.192855),
        }
        for name, (low, high) in extremes.items():
            values = present(everything, name)
            assert (values.min().item(), values.max().item()) == (low, high), name


class TestSamples:
    """Rows of the tables, typed in by hand."""

    def test_arsenic_from_the_formation_energies(self, dataset: MaterialsProject) -> None:
        crystal = get(dataset, "mp-10")
        assert crystal.atomic_numbers.tolist() == [33, 33]
        assert crystal.cell.tolist() == [
            [3.35275227, 0.0, 1.93571242],
            [1.11758409, 3.16100515, 1.93571242],
            [0.0, 0.0, 3.87142485],
        ]
        assert crystal.positions.tolist() == [
            [1.11758409, 0.7902512875, 1.9357124225],
            [3.35275227, 2.3707538625, 5.8071372675],
        ]
        assert crystal.labels == {
            "formation_energy_per_atom": 0.1074050600000005,
            "energy_above_hull": 0.1074050600000005,
            "is_stable": 0,
            "space_group": 220,
        }

    def test_rubidium_telluride_from_two_tables(self, dataset: MaterialsProject) -> None:
        assert get(dataset, "mp-441").labels == {
            "formation_energy_per_atom": -1.0075053866666666,
            "energy_above_hull": 0.0,
            "is_stable": 1,
            "band_gap": 1.88,
            "space_group": 224,
            "refractive_index": 1.86,
            "dielectric_constant_electronic": 3.44,
            "dielectric_constant_total": 6.23,
        }

    def test_hafnia_from_three_tables(self, dataset: MaterialsProject) -> None:
        crystal = get(dataset, "mp-352")
        assert Counter(crystal.atomic_numbers.tolist()) == {8: 8, 72: 4}
        assert crystal.positions[2].tolist() == [
            2.7959302250875013,
            1.3372174509225814,
            -0.33958490116327833,
        ]
        assert crystal.labels["formation_energy_per_atom"] == -4.039258466666666
        assert crystal.labels["band_gap"] == 4.02
        assert crystal.labels["bulk_modulus_vrh"] == 204.573432614
        assert "piezoelectric_modulus" not in crystal.labels

    def test_cobalt_is_an_element_on_the_hull(self, dataset: MaterialsProject) -> None:
        labels = get(dataset, "mp-54").labels
        assert labels["formation_energy_per_atom"] == labels["energy_above_hull"] == 0.0
        assert labels["is_stable"] == 1
        assert labels["bulk_modulus_vrh"] == 212.075577044

    def test_iron_from_the_elastic_table(self, dataset: MaterialsProject) -> None:
        crystal = get(dataset, "mp-13")
        assert crystal.atomic_numbers.tolist() == [26, 26]
        assert crystal.cell.tolist() == [[2.83786, 0, 0], [0, 2.83786, 0], [0, 0, 2.83786]]
        assert crystal.positions.tolist() == [[0, 0, 0], [1.41893, 1.41893, 1.41893]]
        assert crystal.labels == {
            "space_group": 228,
            "bulk_modulus_vrh": 182.459240802,
            "shear_modulus_vrh": 73.6079762943,
            "poisson_ratio": 0.322198861145,
            "log_bulk_modulus_vrh": pytest.approx(math.log10(182.459240802), rel=1e-12),
            "log_shear_modulus_vrh": pytest.approx(math.log10(73.6079762943), rel=1e-12),
        }

    def test_silver_iodide_from_two_tables_with_an_unnamed_column(
        self, dataset: MaterialsProject
    ) -> None:
        assert get(dataset, "mp-22925").labels == {
            "band_gap": 1.37,
            "space_group": 215,
            "refractive_index": 2.24,
            "dielectric_constant_electronic": 5.02,
            "dielectric_constant_total": 7.32,
            "piezoelectric_modulus": 0.091464,
        }

    def test_barium_titanate_from_the_piezoelectric_table(self, dataset: MaterialsProject) -> None:
        crystal = get(dataset, "mp-5020")
        assert crystal.atomic_numbers.tolist() == [8, 8, 8, 22, 56]
        assert crystal.fractional[3] == pytest.approx([0.482209] * 3, abs=1e-9)
        assert crystal.labels == {"piezoelectric_modulus": 3.812244, "space_group": 159}

    def test_labels_of_another_structure_are_not_attached(self, dataset: MaterialsProject) -> None:
        """Both ids are in two tables with structures that differ."""
        assert "bulk_modulus_vrh" not in get(dataset, "mp-11798").labels
        assert "formation_energy_per_atom" in get(dataset, "mp-11798").labels
        assert "piezoelectric_modulus" not in get(dataset, "mp-697111").labels
        assert "bulk_modulus_vrh" in get(dataset, "mp-697111").labels


class TestMissing:
    def test_missing_is_nan_or_minus_one(self, everything: CrystalBatch) -> None:
        for name, values in everything.targets.items():
            if values.is_floating_point():
                assert int(values.isnan().sum()) == 6317 - COUNTS[name]
            else:
                assert int((values == -1).sum()) == 6317 - COUNTS[name]

    def test_a_crystal_without_gap_is_not_a_metal_with_gap_zero(
        self, everything: CrystalBatch
    ) -> None:
        assert present(everything, "band_gap").min() > 0.1

    def test_labels_of_one_table_come_together(self, everything: CrystalBatch) -> None:
        for group in (
            ("formation_energy_per_atom", "energy_above_hull"),
            ("band_gap", "refractive_index", "dielectric_constant_total"),
            ("bulk_modulus_vrh", "shear_modulus_vrh", "poisson_ratio"),
        ):
            first, *others = (everything.targets[name].isnan() for name in group)
            assert all(torch.equal(first, other) for other in others)


class TestPhysics:
    """Relations between labels that the tables do not state but nature does."""

    def test_stable_means_on_the_hull(self, everything: CrystalBatch) -> None:
        hull, stable = (everything.targets[name] for name in ("energy_above_hull", "is_stable"))
        known = ~hull.isnan()
        assert torch.equal((hull <= 1e-8)[known], stable[known] == 1)
        assert (hull[known] >= 0).all()
        assert int((stable == 1).sum()) == 2278

    def test_energy_above_hull_bounds_the_formation_energy(self, everything: CrystalBatch) -> None:
        """The hull lies at or below zero, the elements' own energy."""
        formation, hull = (
            present(everything, name) for name in ("formation_energy_per_atom", "energy_above_hull")
        )
        assert (formation <= hull + 1e-6).all()

    def test_refractive_index_is_the_root_of_the_dielectric_constant(
        self, everything: CrystalBatch
    ) -> None:
        index, constant = (
            present(everything, name)
            for name in ("refractive_index", "dielectric_constant_electronic")
        )
        assert torch.allclose(index, constant.sqrt(), atol=0.01, rtol=0)

    def test_ions_add_to_the_dielectric_constant(self, everything: CrystalBatch) -> None:
        electronic, total = (
            present(everything, f"dielectric_constant_{part}") for part in ("electronic", "total")
        )
        assert (total >= electronic).all()

    def test_poisson_ratio_follows_from_the_moduli(self, everything: CrystalBatch) -> None:
        bulk, shear, poisson = (
            present(everything, name)
            for name in ("bulk_modulus_vrh", "shear_modulus_vrh", "poisson_ratio")
        )
        isotropic = (3 * bulk - 2 * shear) / (6 * bulk + 2 * shear)
        agrees = (isotropic - poisson).abs() < 2e-3
        assert agrees.double().mean() > 0.99

    def test_gaps_and_magnitudes_are_in_their_units(self, everything: CrystalBatch) -> None:
        assert present(everything, "formation_energy_per_atom").mean() == pytest.approx(
            -1.258, abs=1e-3
        )
        assert present(everything, "band_gap").median() == pytest.approx(1.73, abs=0.01)


class TestGeometry:
    def test_the_cores_check_passes(self, everything: CrystalBatch) -> None:
        for crystal in everything.crystals()[::20]:
            check_geometry(crystal)

    def test_no_two_atoms_overlap(self, everything: CrystalBatch) -> None:
        """In any crystal. The shortest distance is that of hydrogen molecules."""
        batch = attach_neighbours(everything, Neighbourhood(cutoff=1.2))
        lengths = batch.edge_vectors().norm(dim=1)
        assert lengths.min() == pytest.approx(0.7481, abs=1e-4)
        sender = batch.edge_index[0]
        assert set(batch.atomic_numbers[sender[lengths < 0.9]].tolist()) == {1}

    def test_volumes_per_atom(self, everything: CrystalBatch) -> None:
        """From a dense form of carbon to caesium."""
        volumes = torch.linalg.det(everything.cell).abs() / everything.atoms_per_crystal
        assert volumes.min() == pytest.approx(5.572, abs=1e-3)
        assert volumes.max() == pytest.approx(123.12, abs=1e-2)
        assert everything.ids[int(volumes.argmax())] == "mp-3"

    def test_iron_has_its_bond_length(self, dataset: MaterialsProject) -> None:
        crystal = get(dataset, "mp-13")
        distance = np.linalg.norm(crystal.positions[1] - crystal.positions[0])
        assert distance == pytest.approx(2.83786 * 3**0.5 / 2)


class TestSymmetry:
    KNOWN = {
        "mp-149": 227,  # silicon, diamond structure
        "mp-13": 229,  # iron, body-centred cubic
        "mp-30": 225,  # copper, face-centred cubic
        "mp-54": 194,  # cobalt, hexagonal close-packed
        "mp-47": 194,  # lonsdaleite
        "mp-2133": 186,  # ZnO, wurtzite
        "mp-22925": 216,  # AgI, zinc blende
        "mp-441": 225,  # Rb2Te, antifluorite
        "mp-5020": 160,  # BaTiO3, rhombohedral
        "mp-352": 14,  # HfO2, baddeleyite
        "mp-10": 221,  # arsenic, simple cubic
    }

    @pytest.mark.parametrize("name", KNOWN)
    def test_well_known_structures(self, dataset: MaterialsProject, name: str) -> None:
        """The class is the international number minus one."""
        assert get(dataset, name).labels["space_group"] + 1 == self.KNOWN[name]

    def test_an_independent_program_agrees(self, everything: CrystalBatch) -> None:
        """The labels come from spglib; moyopy differs for borderline structures only."""
        agree = [
            moyopy.MoyoDataset(
                moyopy.Cell(
                    basis=crystal.cell.tolist(),
                    positions=crystal.fractional.tolist(),
                    numbers=crystal.atomic_numbers.tolist(),
                ),
                symprec=0.1,
            ).number
            == crystal.labels["space_group"] + 1
            for crystal in everything.crystals()[::10]
        ]
        assert np.mean(agree) > 0.99

    def test_all_classes_are_in_range(self, everything: CrystalBatch) -> None:
        groups = everything.targets["space_group"]
        assert 0 <= int(groups.min()) <= int(groups.max()) < 230
        assert len(groups.unique()) == 163
