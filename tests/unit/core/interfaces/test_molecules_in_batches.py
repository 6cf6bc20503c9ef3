"""What has no cell may share a batch with crystals, and is its own asymmetric unit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matsciml_core.data.symmetry.orbits import attach_asymmetric_unit
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.testing.crystals import sodium_chloride

MOLECULE = Crystal(
    id="water",
    atomic_numbers=[8, 1, 1],
    positions=[[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]],
    cell=np.zeros((3, 3)),
    pbc=False,
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_molecule_does_not_disturb_the_symmetry_of_a_crystal(dtype):
    alone = attach_asymmetric_unit(CrystalBatch.from_crystals([sodium_chloride()]))
    both = CrystalBatch.from_crystals([MOLECULE, sodium_chloride(), MOLECULE])
    both = attach_asymmetric_unit(both).to(dtype=dtype)
    unit, expected = both.asymmetric_unit, alone.asymmetric_unit
    molecule, salt = MOLECULE.num_atoms, sodium_chloride().num_atoms
    assert unit.atoms_per_crystal.tolist() == [3, *expected.atoms_per_crystal.tolist(), 3]
    identity = torch.eye(3, dtype=dtype).expand(molecule, 3, 3)
    torch.testing.assert_close(unit.rotation[:molecule], identity)
    torch.testing.assert_close(
        unit.rotation[molecule : molecule + salt], expected.rotation.to(dtype)
    )
    assert torch.isfinite(unit.site).all()
