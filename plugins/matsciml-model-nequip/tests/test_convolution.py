"""The convolution against e3nn's own tensor product, and its derivatives in pieces."""

from dataclasses import replace

import pytest
import torch
from e3nn import o3

from matsciml_core.nn.segments import Segments
from matsciml_model_nequip.convolution import Convolution
from matsciml_util_equivariant import message_sums
from matsciml_util_equivariant.edge_kernels import EdgeGeometry, _couplings

ATOMS, HIDDEN, FEATURES = 6, 5, 3
NATURAL = [o3.Irrep(kind) for kind in ("0e", "1o", "2e")]
BOTH = [o3.Irrep(kind) for kind in ("0e", "0o", "1o", "1e", "2e", "2o")]


def features(kinds) -> o3.Irreps:
    return o3.Irreps([(FEATURES, kind) for kind in kinds])


def make_edges(lmax: int, count: int = 40, dtype=torch.float64) -> EdgeGeometry:
    receiver = torch.randint(ATOMS, (count,)).sort().values
    directions = torch.nn.functional.normalize(torch.randn(count, 3, dtype=dtype), dim=1)
    degrees = list(range(lmax + 1))
    return EdgeGeometry(
        sender=torch.randint(ATOMS, (count,)),
        incoming=Segments(receiver, torch.bincount(receiver, minlength=ATOMS)),
        harmonics=o3.spherical_harmonics(degrees, directions, False, "component"),
        radial=torch.rand(count, HIDDEN, dtype=dtype),
    )


def inputs(convolution: Convolution, edges: EdgeGeometry, dtype=torch.float64):
    x = torch.randn(ATOMS, convolution.irreps_in.dim, dtype=dtype)
    hidden = torch.randn(edges.sender.shape[0], HIDDEN, dtype=dtype)
    weight = torch.randn(HIDDEN, convolution.num_weights, dtype=dtype)
    return x, hidden, weight


def reference(convolution: Convolution, lmax: int) -> tuple[o3.TensorProduct, list[int]]:
    """Build e3nn's tensor product with the same paths; also the order that sorts its output."""
    out, instructions = [], []
    for number, (_, kind) in enumerate(convolution.irreps_in):
        for degree in range(lmax + 1):
            for arrival in kind * o3.Irrep(degree, (-1) ** degree):
                if arrival in convolution.kinds:
                    instructions.append((number, degree, len(out), "uvu", True))
                    out.append(arrival)
    harmonics = o3.Irreps([(1, (degree, (-1) ** degree)) for degree in range(lmax + 1)])
    torch.set_default_dtype(torch.float64)  # what e3nn rounds its coefficients to, for good
    try:
        product = o3.TensorProduct(
            convolution.irreps_in,
            harmonics,
            features(out),
            instructions,
            shared_weights=False,
            internal_weights=False,
        )
    finally:
        torch.set_default_dtype(torch.float32)
    slices = features(out).slices()
    order = [k for kind in convolution.kinds for k, o in enumerate(out) if o == kind]
    columns = [column for k in order for column in range(slices[k].start, slices[k].stop)]
    return product, columns


@pytest.mark.parametrize(
    ("kinds_in", "kinds_out", "lmax"),
    [
        (NATURAL[:1], NATURAL, 2),
        (NATURAL, NATURAL, 2),
        (NATURAL, NATURAL[:1], 2),
        (NATURAL[:2], NATURAL[:2], 1),
        (BOTH, BOTH, 2),
    ],
)
def test_agrees_with_the_tensor_product_of_e3nn(kinds_in, kinds_out, lmax, monkeypatch):
    monkeypatch.setattr(message_sums, "_CACHED", 1)  # pieces of 32 edges: the last one is shorter
    convolution, edges = Convolution(features(kinds_in), kinds_out, lmax), make_edges(lmax)
    x, hidden, weight = inputs(convolution, edges)
    product, columns = reference(convolution, lmax)
    messages = product(x[edges.sender], edges.harmonics, hidden @ weight)[:, columns]
    expected = torch.zeros(ATOMS, convolution.irreps_out.dim, dtype=torch.float64)
    expected.index_add_(0, edges.incoming.index, messages)
    found = convolution(x, hidden, weight, edges)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_irreps_and_paths():
    convolution = Convolution(features(NATURAL), NATURAL, 2)
    assert str(convolution.irreps_out) == "9x0e+12x1o+12x2e"
    assert convolution.num_paths == 11
    assert convolution.num_weights == 11 * FEATURES


def test_kinds_without_a_path_are_left_out():
    convolution = Convolution(features(NATURAL[:1]), BOTH, 1)
    assert str(convolution.irreps_out) == "3x0e+3x1o"


class TestDerivatives:
    @pytest.fixture
    def problem(self, monkeypatch):
        monkeypatch.setattr(message_sums, "_CACHED", 1)
        convolution, edges = Convolution(features(NATURAL), NATURAL, 2), make_edges(2)
        return convolution, edges, inputs(convolution, edges)

    @staticmethod
    def function(convolution, edges):
        def convolve(x, hidden, weight, harmonics):
            fresh = EdgeGeometry(edges.sender, edges.incoming, harmonics, edges.radial)
            return convolution(x, hidden, weight, fresh)

        return convolve

    def test_first(self, problem):
        convolution, edges, tensors = problem
        leaves = [tensor.requires_grad_() for tensor in (*tensors, edges.harmonics)]
        assert torch.autograd.gradcheck(self.function(convolution, edges), leaves, fast_mode=True)

    def test_second(self, problem):
        convolution, edges, tensors = problem
        leaves = [tensor.requires_grad_() for tensor in (*tensors, edges.harmonics)]
        function = self.function(convolution, edges)
        assert torch.autograd.gradgradcheck(function, leaves, fast_mode=True)

    @pytest.mark.parametrize("wanted", range(4))
    def test_each_alone(self, problem, wanted):
        """Only what needs a gradient gets one, and it does not depend on what else needs one."""
        convolution, edges, tensors = problem
        everything = [tensor.clone().requires_grad_() for tensor in (*tensors, edges.harmonics)]
        function = self.function(convolution, edges)
        expected = torch.autograd.grad(function(*everything).square().sum(), everything)
        some = [tensor.detach() for tensor in everything]
        some[wanted].requires_grad_()
        (found,) = torch.autograd.grad(function(*some).square().sum(), some[wanted])
        torch.testing.assert_close(found, expected[wanted], rtol=1e-12, atol=1e-12)


def test_couplings_are_exact_after_float32():
    """A model that was in float32 is equivariant to rounding once it is in float64."""
    convolution, edges = Convolution(features(NATURAL), NATURAL, 2), make_edges(2)
    tensors = inputs(convolution, edges)
    single = make_edges(2, dtype=torch.float32)
    convolution.float()(*inputs(convolution, single, torch.float32), single)
    found = convolution.double()(*tensors, edges)
    torch.manual_seed(0)
    fresh = Convolution(features(NATURAL), NATURAL, 2)(*tensors, edges)
    assert torch.equal(found, fresh)


def test_couplings_made_in_inference_mode_can_be_trained_with():
    _couplings.cache_clear()
    convolution, edges = Convolution(features(NATURAL), NATURAL, 2), make_edges(2)
    tensors = inputs(convolution, edges)
    with torch.inference_mode():
        convolution(*tensors, replace(edges, _kernels={}))
    edges.harmonics.requires_grad_()
    convolution(*tensors, edges).sum().backward()
    assert edges.harmonics.grad.isfinite().all()


def test_layers_share_kernels():
    edges = make_edges(2)
    first, second = (Convolution(features(NATURAL), NATURAL, 2) for _ in range(2))
    for convolution in (first, second):
        convolution(*inputs(convolution, edges), edges)
    assert len(edges._kernels) == 3
