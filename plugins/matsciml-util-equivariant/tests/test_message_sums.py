"""The sum of messages against the same written out, and kernels against coupling coefficients."""

import math

import pytest
import torch
from e3nn import o3

from matsciml_core.nn.segments import Segments
from matsciml_util_equivariant import message_sums
from matsciml_util_equivariant.edge_kernels import EdgeGeometry, Path
from matsciml_util_equivariant.message_sums import Messages, coupled_sum

ATOMS, EDGES, HIDDEN, FEATURES = 5, 70, 4, 3
PATHS = (Path(1, 0, 1), Path(1, 1, 0), Path(1, 1, 1), Path(1, 2, 3))


@pytest.fixture
def geometry():
    torch.manual_seed(0)
    receiver = torch.randint(ATOMS, (EDGES,)).sort().values
    directions = torch.nn.functional.normalize(torch.randn(EDGES, 3).double(), dim=1)
    return EdgeGeometry(
        sender=torch.randint(ATOMS, (EDGES,)),
        incoming=Segments(receiver, torch.bincount(receiver, minlength=ATOMS)),
        harmonics=o3.spherical_harmonics([0, 1, 2], directions, False, "component"),
        radial=torch.rand(EDGES, HIDDEN).double(),
    )


def test_a_kernel_has_the_coefficients_of_each_path(geometry):
    kernel = geometry.kernel(PATHS)
    parts = kernel.split([2 * path.degree_out + 1 for path in PATHS], dim=1)
    for path, part in zip(PATHS, parts, strict=True):
        degrees = (path.degree_in, path.degree_edge, path.degree_out)
        coefficients = o3.wigner_3j(*degrees, dtype=torch.float64)
        first = path.degree_edge**2
        harmonics = geometry.harmonics[:, first : first + 2 * path.degree_edge + 1]
        expected = torch.einsum("nkm,ek->emn", coefficients, harmonics)
        expected *= math.sqrt(2 * path.degree_out + 1)
        torch.testing.assert_close(part, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cached", [1, 1 << 18], ids=["pieces of 32 edges", "at once"])
def test_the_sum_is_that_of_all_messages(geometry, cached, monkeypatch):
    monkeypatch.setattr(message_sums, "_CACHED", cached)
    kernel = geometry.kernel(PATHS)
    path_of_row = torch.tensor(
        [number for number, path in enumerate(PATHS) for _ in range(2 * path.degree_out + 1)]
    )
    messages = Messages(
        sender=geometry.sender,
        incoming=geometry.incoming,
        path_of_row=path_of_row,
        rows=(len(path_of_row),),
        num_paths=len(PATHS),
        num_features=FEATURES,
    )
    x = torch.randn(ATOMS, 3, FEATURES).double()
    weight = torch.randn(HIDDEN, len(PATHS) * FEATURES).double()
    weights = (geometry.radial @ weight).view(EDGES, len(PATHS), FEATURES)[:, path_of_row]
    carried = torch.einsum("ern,enf->erf", kernel, x[geometry.sender]) * weights
    expected = torch.zeros(ATOMS, len(path_of_row), FEATURES).double()
    expected.index_add_(0, geometry.incoming.index, carried)
    found = coupled_sum((x,), (kernel,), geometry.radial, weight, messages)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
