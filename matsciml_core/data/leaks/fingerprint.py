"""A fast fingerprint of a crystal, and its composition as a number.

Both are the same for every choice of cell, origin, orientation and order of atoms, for supercells,
and (the fingerprint) for another lattice constant: lengths are measured in units of the cube root
of the volume per atom. The fingerprint changes little where the atoms move little.

Of each atom it takes the distances to its twelve nearest neighbours, ascending, three sums over
its neighbours that fade with distance, and the same three sums with the species of both atoms as
factors, which say whether like is next to like; of the crystal, their means over atoms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from matsciml_core.data.neighbours.neighbour_list import find_edges
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Neighbourhood

_REACH = 2.0
"""Search radius, in units of the cube root of the volume per atom: 33 neighbours on average."""
_VOLUME = 15.0
"""Stands for the volume per atom, Å³, of what is not periodic and has none."""
_NEAREST = 12
_POWERS = (2, 4, 8)
"""Of 1 − r/R: the higher the power, the nearer the neighbours that count."""
WIDTH = _NEAREST + 2 * len(_POWERS)
"""Numbers in a fingerprint."""
_WEIGHTS = np.random.Generator(np.random.PCG64(1)).integers(1, 2**63, size=128, dtype=np.uint64)
"""One random number per element: compositions become numbers without a loop."""


def fingerprints(batch: CrystalBatch) -> NDArray[np.float32]:
    """Return the fingerprints of crystals, ``(crystals, WIDTH)``, dimensionless.

    Args:
        batch: Crystals on the CPU, without edges.

    Raises:
        GeometryError: A crystal cannot be searched for neighbours.
    """
    counts = batch.atoms_per_crystal.numpy()
    owner = batch.crystal_index.numpy()
    volumes = np.abs(np.linalg.det(batch.cell.numpy())) / counts  # Å³ per atom
    # All lengths are divided by this one (Å): crystals of any density have about as many
    # neighbours, and the lattice constant is left out of the comparison.
    unit = np.cbrt(np.where(batch.pbc.numpy().all(axis=1), volumes, _VOLUME))
    positions = batch.positions.numpy() / unit[owner, None]
    cells = batch.cell.numpy() / unit[:, None, None]
    edges, shifts = find_edges(
        positions, cells, batch.pbc.numpy(), counts, Neighbourhood(cutoff=_REACH)
    )
    sender, receiver = edges
    images = np.einsum("ei,eij->ej", shifts, cells[owner[receiver]])
    lengths = np.linalg.norm(positions[receiver] - positions[sender] - images, axis=1)
    species = _centred_species(batch.atomic_numbers.numpy(), owner, counts)
    nearest = _nearest(lengths, receiver, len(owner))  # (atoms, nearest)
    plain = _sums(lengths, np.ones(len(lengths)), receiver, len(owner))  # (atoms, powers)
    alike = _sums(lengths, species[sender] * species[receiver], receiver, len(owner))
    columns = np.concatenate([nearest, plain, alike], axis=1)
    starts = np.cumsum(counts) - counts
    means = np.add.reduceat(columns, starts, axis=0) / counts[:, None]
    return np.asarray(means, dtype=np.float32)


def composition_keys(batch: CrystalBatch) -> NDArray[np.uint64]:
    """Return a number for each crystal's reduced composition, ``(crystals,)``.

    Equal compositions have equal numbers; different ones differ but for a chance of about 2⁻⁶⁰.
    """
    owner, numbers = batch.crystal_index.numpy(), batch.atomic_numbers.numpy()
    # 128 is above every atomic number, so crystal and element make one integer to count.
    pairs, counts = np.unique(owner * 128 + numbers, return_counts=True)
    crystal, element = np.divmod(pairs, 128)
    starts = np.flatnonzero(np.diff(crystal, prepend=-1))
    # Sums of uint64 wrap around, which is as good as any other hash.
    divisor = np.gcd.reduceat(counts, starts)
    reduced = (counts // divisor[crystal]).astype(np.uint64)
    keys: NDArray[np.uint64] = np.add.reduceat(reduced * _WEIGHTS[element], starts)
    return keys


def _centred_species(
    numbers: NDArray[np.int64], owner: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return atomic numbers shifted and scaled to mean 0 and variance 1 in each crystal."""
    mean = np.bincount(owner, numbers) / counts
    centred = numbers - mean[owner]
    spread = np.sqrt(np.bincount(owner, centred**2) / counts)
    # An element has no variance: its numbers are zero, and are not to be divided by zero.
    scaled: NDArray[np.float64] = centred / np.maximum(spread, 1e-9)[owner]
    return scaled


def _nearest(
    lengths: NDArray[np.float64], receiver: NDArray[np.int64], atoms: int
) -> NDArray[np.float64]:
    """Return each atom's shortest distances, ascending, ``(atoms, nearest)``.

    Where there are fewer neighbours within reach, the reach takes their place, so that a neighbour
    that crosses it changes nothing at once.
    """
    order = np.lexsort((lengths, receiver))
    counts = np.bincount(receiver, minlength=atoms)
    rank = np.arange(len(receiver)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((atoms, _NEAREST), _REACH)
    near = rank < _NEAREST
    table[receiver[order][near], rank[near]] = lengths[order][near]
    return table


def _sums(
    lengths: NDArray[np.float64],
    weights: NDArray[np.float64],
    receiver: NDArray[np.int64],
    atoms: int,
) -> NDArray[np.float64]:
    """Return sums over neighbours of a weight times a power that fades to 0, ``(atoms, powers)``.

    Divided by what the powers add up to in a gas of the same density, so that all are near 1.
    """
    columns = []
    for power in _POWERS:
        fading = weights * (1.0 - lengths / _REACH) ** power
        # The integral of 4 π r² (1 − r / R)^p up to R, at one atom per unit of volume.
        mean = 8.0 * np.pi * _REACH**3 / ((power + 1) * (power + 2) * (power + 3))
        columns.append(np.bincount(receiver, fading, minlength=atoms) / mean)
    return np.stack(columns, axis=1)
