"""Converted networks against the numbers of mattersim 1.2.3, which has them in float32."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core import load
from matsciml_core.nn.segments import Segments
from matsciml_model_mattersim.layers import AngleSums, SmoothRadial

pytest.importorskip("matsciml_head_forces", reason="a converted network has a head of this plugin")


def converted(file, *options, precision="float64"):
    """Convert a file by the command, and return the model."""
    folder = file.with_suffix("")
    command = ["convert-mattersim", str(file), "-o", str(folder), "--replace", *options]
    assert execute(command) == 0
    return load(folder, device="cpu", precision=precision)


@pytest.mark.parametrize(
    "name",
    [
        "cubic",
        "hexagonal",
        "tetragonal",
        "orthorhombic",
        "triclinic, one atom",
        "monoclinic",
        "undistorted",
        "left-handed",
        "outside its cell",
        "slab",
        "molecule",
    ],
)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_same_numbers(write_file, reference, structures, name, precision):
    expected, atoms = reference[name], structures[name]
    (found,) = converted(write_file(), precision=precision).predict(atoms)
    energy = expected["energy"] / len(atoms)
    assert found["energy"] / len(atoms) == pytest.approx(energy, abs=1e-5)
    assert found["forces"] == pytest.approx(np.array(expected["forces"]), abs=1e-4)
    if not atoms.pbc.all():
        assert np.isnan(found["stress"]).all()
        return
    # The package divides by the determinant of the cell, whose sign is that of its handedness.
    sign = -1 if name == "left-handed" else 1
    assert found["stress"] == pytest.approx(sign * np.array(expected["stress"]), abs=1e-4)


def test_forces_and_stress_are_derivatives_of_the_energy(write_file, structures):
    model = converted(write_file())
    atoms = structures["left-handed"]
    (found,) = model.predict(atoms)
    step = 1e-4

    def energy(changed):
        return model.predict(changed)[0]["energy"]

    moved = [atoms.copy(), atoms.copy()]
    for one, sign in zip(moved, (1, -1), strict=True):
        one.positions[1, 2] += sign * step
    slope = (energy(moved[0]) - energy(moved[1])) / (2 * step)
    assert found["forces"][1][2] == pytest.approx(-slope, abs=1e-5)
    strained = [atoms.copy(), atoms.copy()]
    for one, sign in zip(strained, (1, -1), strict=True):
        one.set_cell(one.cell * (1 + sign * step), scale_atoms=True)
    slope = (energy(strained[0]) - energy(strained[1])) / (2 * step)
    trace = np.trace(np.asarray(found["stress"])) * atoms.get_volume()
    assert trace == pytest.approx(slope, abs=1e-4)


def test_sums_over_angles_are_those_over_pairs_of_edges():
    generator = torch.Generator().manual_seed(1)
    vectors = 2.2 * torch.randn(9, 3, generator=generator, dtype=torch.float64)
    lengths = vectors.norm(dim=1)
    assert (lengths > 4.0).any()
    layer = AngleSums(5.0, 4.0)
    atoms = torch.tensor([0, 0, 0, 0, 0, 2, 2, 2, 3])
    incoming = Segments(atoms, torch.tensor([5, 0, 3, 1]))
    found = layer(vectors / lengths.unsqueeze(1), lengths, incoming)
    # With one neighbour the angle is that of 0°, and the radial part can be read off.
    expected = torch.zeros_like(found)
    for one in range(9):
        for other in range(9):
            if one != other and atoms[one] == atoms[other]:
                expected[one] += pair_term(layer, vectors[one], vectors[other])
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def pair_term(layer, first, second):
    """Return the term of one pair of edges, by the formula of the docstring, ``(16,)``."""
    from scipy.special import eval_legendre, spherical_jn

    one, other = first.norm().item(), second.norm().item()
    cosine = (first @ second).item() / (one * other)
    ends = [1 - 10 * x**3 + 15 * x**4 - 6 * x**5 for x in (one / 4.0, other / 4.0)]
    if max(one, other) > 4.0:
        return torch.zeros(16, dtype=torch.float64)
    values = []
    for degree, zeros in enumerate(layer.zeros.numpy()):
        radial = spherical_jn(degree, zeros * other / 5.0)
        radial *= np.sqrt(2 / 5.0**3) / np.abs(spherical_jn(degree + 1, zeros))
        angular = np.sqrt((2 * degree + 1) / (4 * np.pi)) * eval_legendre(degree, cosine)
        values.extend(radial * angular * ends[0] * ends[1])
    return torch.tensor(values)


def test_radial_functions_are_orthonormal_and_end_with_two_derivatives():
    layer = SmoothRadial(5.0)
    r = torch.linspace(1e-4, 5.0, 5001, dtype=torch.float64)
    values = layer(r)
    gram = torch.trapezoid(
        values.unsqueeze(1) * values.unsqueeze(2) * r.square().view(-1, 1, 1), r, dim=0
    )
    torch.testing.assert_close(gram, torch.eye(4, dtype=r.dtype), rtol=0, atol=1e-5)
    step = r[1] - r[0]
    first = values.diff(dim=0) / step
    second = first.diff(dim=0) / step
    for ends in (values[-1], first[-1], second[-1]):
        assert ends.abs().max() < 0.02


def test_what_is_said_of_the_weights_is_recorded(write_file):
    options = ("--functional", "PBE", "--licence", "MIT", "--seen", "mp")
    record = converted(write_file(), *options).description["pretrained"]
    assert (record["functional"], record["licence"], record["seen"]) == ("PBE", "MIT", ["mp"])
    assert not record["isolated_atoms"]
    assert len(record["elements"]) == 89
    assert "Ra" not in record["elements"]
