"""Crystals and weights that numbers of mattersim are compared on; needs neither of the two."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from ase import Atoms
from ase.build import bulk
from torch import Tensor


def structures() -> dict[str, Atoms]:
    """Return crystals off their sites, of several systems, and a molecule, by name."""
    cubic = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    hexagonal = bulk("Mg", "hcp", a=3.2, c=5.2)
    tetragonal = bulk("Sn", "bct", a=5.8, c=3.2)
    orthorhombic = Atoms("FeAlO", cell=[4.1, 4.7, 5.3], pbc=True)
    orthorhombic.set_scaled_positions([[0.0, 0.1, 0.0], [0.5, 0.4, 0.3], [0.2, 0.8, 0.7]])
    triclinic = Atoms("Na", cell=[[3.0, 0.1, 0.0], [1.2, 3.1, 0.2], [0.1, 1.4, 3.2]], pbc=True)
    found = {
        "cubic": cubic,
        "hexagonal": hexagonal,
        "tetragonal": tetragonal,
        "orthorhombic": orthorhombic,
        "triclinic, one atom": triclinic,
        "monoclinic": Atoms(
            "ZrO2",
            scaled_positions=[[0.0, 0.0, 0.0], [0.3, 0.25, 0.35], [0.7, 0.75, 0.6]],
            cell=[[3.6, 0.0, 0.0], [0.0, 3.8, 0.0], [-0.6, 0.0, 4.0]],
            pbc=True,
        ),
        "undistorted": bulk("Cu", "fcc", a=3.6),
    }
    for number, (name, atoms) in enumerate(found.items()):
        if name != "undistorted":
            atoms.rattle(0.08, seed=number)
    left = cubic.copy()
    left.set_cell(cubic.cell[[1, 0, 2]])
    outside = hexagonal.copy()
    outside.positions += 3.0 * outside.cell[0] - outside.cell[2]
    slab = bulk("Al", "fcc", a=4.05, cubic=True)
    slab.rattle(0.08, seed=9)
    slab.center(vacuum=8.0, axis=2)
    slab.pbc = (True, True, False)
    molecule = Atoms("OH2", [[0.0, 0.0, 0.0], [0.95, 0.1, 0.0], [-0.3, 0.9, 0.1]])
    return {
        **found,
        "left-handed": left,
        "outside its cell": outside,
        "slab": slab,
        "molecule": molecule,
    }


def weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Return tensors of a network that are no symmetric case, the same on every machine.

    Args:
        shapes: Of the tensors that are learnt, by the names in mattersim.
    """
    found = {}
    for number, (name, shape) in enumerate(sorted(shapes.items())):
        count = math.prod(shape)
        wave = torch.sin(1.7 * torch.arange(count, dtype=torch.float64) ** 1.1 + number)
        scale = 1.6 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.3
        scale = 1.0 if name.startswith("atom_embedding") else scale
        offset = 1.0 if name.endswith("scale") else 0.0
        found[name] = (scale * wave + offset).reshape(tuple(shape)).float()
    return found
