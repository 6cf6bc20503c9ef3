"""Messages into symmetry-distinct atoms only give what messages into all atoms give."""

from fractions import Fraction

import moyopy
import numpy as np
import pytest
import torch

from matsciml_core import Crystal, CrystalBatch
from matsciml_core.data.neighbours.edges import EdgeSource, attach
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.data.symmetry.orbits import attach_asymmetric_unit
from matsciml_core.testing.crystals import all_crystals, rutile, sodium_chloride
from matsciml_model_egnn.config import EGNNConfig
from matsciml_model_egnn.encoder import EGNN

CELLS = {
    "triclinic": [[4.1, 0.0, 0.0], [0.7, 4.6, 0.0], [-0.5, 0.9, 5.2]],
    "monoclinic": [[4.3, 0.0, 0.0], [0.0, 5.1, 0.0], [-1.2, 0.0, 5.9]],
    "orthorhombic": np.diag([4.4, 5.0, 5.8]),
    "tetragonal": np.diag([4.7, 4.7, 5.9]),
    "hexagonal": [[5.0, 0.0, 0.0], [-2.5, 2.5 * 3**0.5, 0.0], [0.0, 0.0, 5.7]],
    "cubic": 5.3 * np.eye(3),
}
GROUPS = {
    2: ("triclinic", "-x,-y,-z"),
    4: ("monoclinic", "-x,y+1/2,-z"),
    14: ("monoclinic", "-x,y+1/2,-z+1/2 -x,-y,-z"),
    19: ("orthorhombic", "-x+1/2,-y,z+1/2 -x,y+1/2,-z+1/2"),
    33: ("orthorhombic", "-x,-y,z+1/2 x+1/2,-y+1/2,z"),
    62: ("orthorhombic", "-x+1/2,-y,z+1/2 -x,y+1/2,-z -x,-y,-z"),
    76: ("tetragonal", "-y,x,z+1/4"),
    81: ("tetragonal", "y,-x,-z"),
    99: ("tetragonal", "-y,x,z x,-y,z"),
    143: ("hexagonal", "-y,x-y,z"),
    147: ("hexagonal", "-y,x-y,z -x,-y,-z"),
    152: ("hexagonal", "-y,x-y,z+1/3 y,x,-z"),
    169: ("hexagonal", "x-y,x,z+1/6"),
    198: ("cubic", "z,x,y -x+1/2,-y,z+1/2 -x,y+1/2,-z+1/2"),
    205: ("cubic", "z,x,y -x+1/2,-y,z+1/2 -x,y+1/2,-z+1/2 -x,-y,-z"),
}
"""Number of the space group: crystal system, generators."""


def operation(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Read a generator such as ``-x,y+1/2,-z`` as a matrix and a translation."""
    axes = {"x": 0, "y": 1, "z": 2}
    matrix, shift = np.zeros((3, 3)), np.zeros(3)
    for row, formula in enumerate(text.split(",")):
        for term in formula.replace("-", "+-").split("+"):
            if term and term[-1] in axes:
                matrix[row, axes[term[-1]]] = -1 if term.startswith("-") else 1
            elif term:
                shift[row] = float(Fraction(term))
    return matrix, shift


def orbit(point: np.ndarray, generators: str) -> list[np.ndarray]:
    """Return all images of a point in the cell."""
    operations = [operation(text) for text in generators.split()]
    points, k = [point], 0
    while k < len(points):
        for matrix, shift in operations:
            image = (matrix @ points[k] + shift) % 1.0
            apart = [np.abs((image - p + 0.5) % 1.0 - 0.5).max() for p in points]
            if min(apart) > 1e-6:
                points.append(image)
        k += 1
    return points


def crystal(number: int) -> Crystal:
    """Return two elements on general positions of a space group."""
    system, generators = GROUPS[number]
    random = np.random.default_rng(number)
    orbits = [orbit(random.random(3), generators) for _ in range(2)]
    atoms = [point for members in orbits for point in members]
    cell = np.asarray(CELLS[system])
    scale = (11.0 * len(atoms) / abs(np.linalg.det(cell))) ** (1 / 3)
    return Crystal.from_fractional(
        id=str(number),
        atomic_numbers=[14] * len(orbits[0]) + [8] * len(orbits[1]),
        fractional=atoms,
        cell=scale * cell,
    )


def reduced(encoder: EGNN, *crystals: Crystal, merged: bool = True) -> CrystalBatch:
    """Return crystals with edges into distinct atoms only, one for all that are the same."""
    if not merged:
        return attach_asymmetric_unit(whole(encoder, *crystals))
    batch = attach_asymmetric_unit(CrystalBatch.from_crystals(crystals))
    return attach(batch, EdgeSource(encoder.neighbours).find(batch, range(len(crystals))))


def whole(encoder: EGNN, *crystals: Crystal) -> CrystalBatch:
    return attach_neighbours(CrystalBatch.from_crystals(crystals), encoder.neighbours)


def build(**options) -> EGNN:
    options = {"cutoff": 4.0, "position_gain": 1.0, **options}
    return EGNN(EGNNConfig.from_options(options, where="encoder")).double()


OPTIONS = {
    "default": {},
    "table6": {"preset": "table6"},
    "forces": {"preset": "forces"},
    "softmax": {"attention": "softmax", "aggregation": "mean"},
    "fixed": {"update_positions": False},
}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("number", GROUPS)
def test_one_crystal(number, merged):
    found = moyopy.MoyoDataset(
        moyopy.Cell(
            crystal(number).cell.tolist(),
            crystal(number).fractional.tolist(),
            crystal(number).atomic_numbers.tolist(),
        )
    )
    assert found.number == number
    encoder = build(preset="table6")
    full = whole(encoder, crystal(number))
    part = reduced(encoder, crystal(number), merged=merged)
    assert len(part.asymmetric_unit.atoms) == 2
    compare(encoder, part, full)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("merged", [False, True])
def test_a_batch_of_many(options, merged):
    encoder = build(**options)
    crystals = [*map(crystal, GROUPS), *all_crystals(), rutile()]
    full = whole(encoder, *crystals)
    part = reduced(encoder, *crystals, merged=merged)
    assert part.num_edges < full.num_edges / 4
    compare(encoder, part, full)


def compare(encoder: EGNN, part: CrystalBatch, full: CrystalBatch) -> None:
    """Compare displacements and embeddings; what rounding of the cells leaves is about 1e-13."""
    wanted = encoder.displacements(full)
    moves = encoder.config.update_positions
    assert not moves or wanted.abs().max() > 1e-3, "displacements must matter here"
    torch.testing.assert_close(encoder.displacements(part), wanted, rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        found, expected = encoder(part), encoder(full)
    for ours, theirs in ((found.atoms, expected.atoms), (found.crystals, expected.crystals)):
        assert (ours - theirs).abs().max() < 1e-10 * theirs.abs().max()


def test_gradients_of_the_weights():
    encoder = build()
    crystals = [*map(crystal, (14, 152, 198)), sodium_chloride()]
    factors = torch.randn(4, encoder.crystal_width).double()
    found, wanted = (
        torch.autograd.grad((encoder(batch).crystals * factors).sum(), encoder.parameters())
        for batch in (reduced(encoder, *crystals), whole(encoder, *crystals))
    )
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9 * float(theirs.abs().max()))


def test_equal_edges_are_merged():
    encoder = build()
    crystals = [sodium_chloride(), rutile()]
    separate, merged = (reduced(encoder, *crystals, merged=way) for way in (False, True))
    assert merged.num_edges < separate.num_edges / 2
    assert merged.asymmetric_unit.edge_multiplicity.sum() == separate.num_edges
