"""The README's example runs and does what the text says."""

import re
from pathlib import Path

import numpy as np
import torch
from e3nn import o3

from matsciml_core import CrystalBatch
from matsciml_core.data import attach_neighbours
from matsciml_core.testing import transforms
from matsciml_core.testing.crystals import hcp_magnesium

README = Path(__file__).resolve().parents[1] / "README.md"


def run_example() -> dict:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)
    names: dict = {}
    exec(code, names)
    return names


def test_tensors_are_symmetric_and_turn_with_the_crystal():
    names = run_example()
    assert str(names["encoder"].irreps) == "64x0e+32x1o+32x2e"
    assert names["head"].irreps_out == o3.Irreps("0e+2e")
    matrices = names["matrices"]
    assert matrices.shape == (2, 3, 3)
    torch.testing.assert_close(matrices, matrices.transpose(1, 2))
    rotation = transforms.random_rotation(np.random.default_rng(0))
    turned = tensor_of(names, transforms.transform(hcp_magnesium(), rotation))
    matrix = torch.from_numpy(rotation).float()
    torch.testing.assert_close(turned, matrix @ matrices[1] @ matrix.T, rtol=1e-4, atol=1e-4)


def test_a_hexagonal_crystal_has_a_uniaxial_tensor():
    """Magnesium's axis is z: the tensor is diagonal, with two equal entries, as Neumann wants."""
    matrix = run_example()["matrices"][1]
    a, c = matrix[0, 0], matrix[2, 2]
    torch.testing.assert_close(matrix, torch.diag(torch.stack((a, a, c))), rtol=1e-4, atol=1e-4)
    assert (a - c).abs() > 1e-3


def test_it_trains():
    """A few steps bring the tensor of a crystal closer to one that its symmetry allows."""
    names = run_example()
    encoder, head, symmetric = names["encoder"], names["head"], names["symmetric"]
    wanted = torch.diag(torch.tensor([2.0, 2.0, 5.0]))
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-2)
    errors = []
    for _ in range(30):
        features = encoder.irreps_features(names["batch"])
        found = symmetric.to_cartesian(head(features.crystals), names["to_matrix"])[1]
        error = (found - wanted).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < 0.1 * errors[0]


def tensor_of(names: dict, crystal) -> torch.Tensor:
    encoder = names["encoder"]
    batch = CrystalBatch.from_crystals([crystal], dtype=torch.float32)
    features = encoder.irreps_features(attach_neighbours(batch, encoder.neighbours))
    return names["symmetric"].to_cartesian(names["head"](features.crystals), names["to_matrix"])[0]
