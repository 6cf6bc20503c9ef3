"""Energies and forces in another unit than declared: an exact potential says what is seen."""

from __future__ import annotations

import numpy as np
import pytest

from matsciml_core.data.ingestion.plausibility import Plausibility
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.registry.targets import TargetInfo

TARGETS = {
    "energy": TargetInfo(name="energy", kind="energy", unit="eV"),
    "forces": TargetInfo(name="forces", kind="forces", unit="eV/A"),
}
HARTREE, BOHR = 27.211386245981, 0.529177210544
EDGE, SPRING = 6.0, 2.0


def path(energy=1.0, forces=1.0, frames=30, step=0.05):
    """Four atoms on springs of 2 eV/Å² that wander, with labels multiplied by factors."""
    random = np.random.default_rng(0)
    rest = EDGE * np.array([[0.1, 0.1, 0.1], [0.6, 0.6, 0.1], [0.6, 0.1, 0.6], [0.1, 0.6, 0.6]])
    moved = np.cumsum(random.normal(scale=step, size=(frames, 4, 3)), axis=0) + 0.3
    for index, shift in enumerate(moved):
        pull = -SPRING * (shift - shift.mean(axis=0))
        total = -16.0 + SPRING * ((shift - shift.mean(axis=0)) ** 2).sum() / 2
        yield Crystal(
            id=f"frame-{index}",
            atomic_numbers=[29] * 4,
            # Out of the cell and back, as programs wrap atoms.
            positions=(rest + shift) % EDGE,
            cell=EDGE * np.eye(3),
            labels={"energy": total * energy, "forces": pull * forces},
        )


def remarks(crystals):
    looking = Plausibility(TARGETS)
    crystals = list(crystals)
    for first in range(0, len(crystals), 16):
        looking.add(CrystalBatch.from_crystals(crystals[first : first + 16], TARGETS))
    return looking.remarks()


def test_what_is_right_is_not_remarked_on():
    assert remarks(path()) == []


@pytest.mark.parametrize(
    ("energy", "forces", "cause"),
    [
        (1 / HARTREE, 1.0, "the energy looks like hartree"),
        (2 / HARTREE, 1.0, "the energy looks like rydberg"),
        (23.06, 1.0, "the energy looks like kcal/mol"),
        (0.25, 1.0, "the energy looks like eV/atom"),
        (1.0, BOHR / HARTREE, "the forces look like hartree/bohr"),
        (1.0, 2 * BOHR / HARTREE, "the forces look like rydberg/bohr"),
        (1 / HARTREE, BOHR / HARTREE, "both look like atomic units, hartree and hartree/bohr"),
    ],
)
def test_the_work_of_forces_tells_the_unit(energy, forces, cause):
    assert any(cause in text for text in remarks(path(energy, forces)))


def test_a_gradient_in_place_of_forces():
    assert any("opposite sign, that of a gradient" in text for text in remarks(path(1.0, -1.0)))


@pytest.mark.parametrize("step", [2.0, 0.0])
def test_frames_that_are_far_apart_or_alike_say_nothing(step):
    found = remarks(path(1 / HARTREE, step=step, frames=40))
    assert not [text for text in found if "looks like" in text]


def supercells(per_atom):
    """Copper in supercells of 4 to 108 atoms, as ColabFit's development set has it."""
    random = np.random.default_rng(0)
    for index in range(60):
        repeats = 1 + index % 3
        atoms = 4 * repeats**3
        corner = np.stack(np.meshgrid(*[np.arange(repeats)] * 3), -1).reshape(-1, 1, 3)
        basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        energy = -4.0 + random.normal(scale=0.1)
        yield Crystal(
            id=f"copper-{index}",
            atomic_numbers=[29] * atoms,
            positions=3.6 * (corner + basis).reshape(-1, 3),
            cell=3.6 * repeats * np.eye(3),
            labels={"energy": energy if per_atom else energy * atoms},
        )


def test_an_energy_that_does_not_grow_with_the_crystal():
    assert any("looks like eV/atom" in text for text in remarks(supercells(per_atom=True)))
    assert remarks(supercells(per_atom=False)) == []
