"""The layers and the networks of the reference programs, number by number, in float64.

Reference: geometric-algebra-attention 0.5.1 (144 layers), and the GALA class of the benchmark
paper's program on two small structures; see the README beside the numbers.
"""

import itertools

import pytest
import torch

from matsciml_model_gala._upstream_layout import rename
from matsciml_model_gala.algebra import BLADES, product_table, right_matrices
from matsciml_model_gala.attention import AttentionOptions, GeometricAttention, Result
from matsciml_model_gala.config import GALAConfig
from matsciml_model_gala.encoder import GALA
from matsciml_model_gala.neighbourhoods import Neighbourhoods
from matsciml_model_gala.products import Multivectors, Products, Rules, Vectors

NAMES = ("1", "e1", "e2", "e3", "e12", "e13", "e23", "e123")
NETWORKS = ("upstream_small", "upstream_small_equivariant")


def geometric_product(first, second):
    """Multiply multivectors by the matrices that the network multiplies by."""
    return (first.unsqueeze(-2) @ right_matrices(second)).squeeze(-2)


def dual(multivector):
    """Multiply by e123, which the reference calls the dual."""
    return geometric_product(multivector, torch.eye(8, dtype=multivector.dtype)[7])


class TestAlgebra:
    def test_multiplication_table(self, description):
        assert len(BLADES) == len(NAMES)
        table = product_table()
        for (i, first), (j, second) in itertools.product(enumerate(NAMES), repeat=2):
            (place,) = table[i, j].nonzero().flatten().tolist()
            sign = "-" if table[i, j, place] < 0 else ""
            expected = description["geometric_product_table"][f"{first}*{second}"]
            assert sign + NAMES[place] == expected

    def test_dual_table(self, description):
        for place, row in enumerate(dual(torch.eye(8))):
            (other,) = row.nonzero().flatten().tolist()
            sign = "-" if row[other] < 0 else ""
            assert sign + NAMES[other] == description["dual"][NAMES[place]]

    def test_multivectors(self, reference):
        a, b = reference["algebra/a"], reference["algebra/b"]
        product = geometric_product(a, b)
        close(product, reference["algebra/product"])
        close(dual(a), reference["algebra/dual_of_a"])
        invariants = Multivectors().invariants(product, 2, Rules())
        close(invariants, reference["algebra/invariants_of_product"])

    @pytest.mark.parametrize("name", ["vw", "vwx", "vwxy"])
    def test_vectors(self, reference, name):
        factors = [reference[f"algebra/{letter}"] for letter in name]
        points = torch.stack(factors, dim=1)  # (rows, factors, 3)
        algebra, length = Vectors(), len(name)
        product = algebra.powers(points, length)[-1][(slice(None), *range(length))]
        close(product, reference[f"algebra/{name}"])
        invariants = algebra.invariants(product, length, Rules())
        close(invariants, reference[f"algebra/{name}_invariants"])
        if length < 4:
            covariant = algebra.covariant(product, length)
            close(covariant, reference[f"algebra/{name}_covariant"])


@pytest.mark.parametrize("number", range(144))
def test_attention_layer(reference, description, number):
    case = description["cases"][number]
    name = case["name"]
    tensors = {
        key.removeprefix(f"{name}/"): value
        for key, value in reference.items()
        if key.startswith(f"{name}/")
    }
    shape = tensors["mask"].shape
    for mask, suffix in ((None, ""), (tensors["mask"].flatten(0, 1), "_masked")):
        result = attend(case, tensors, mask)
        found = {"invariant": result.invariant, "covariant": result.covariant}
        for place, output in enumerate(case["outputs"]):
            expected = tensors[f"out{place}{suffix}"]
            leading = shape[:2] if case["reduce"] else shape
            value = found.pop(output).view(*leading, -1)
            torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-10)
        assert all(value is None for value in found.values())


def attend(case: dict, tensors: dict[str, torch.Tensor], mask: torch.Tensor | None) -> Result:
    """Build the layer of a case, and run it."""
    algebra = Multivectors() if "Multivector" in case["cls"] else Vectors()
    products = Products.of(
        tensors["pos"].flatten(0, 1),
        algebra,
        Rules(),
        case["rank"],
        normalised=case["include_normalized_products"],
    )
    invariants = products.invariants(case["invariant_mode"])
    assert invariants.shape[-1] == case["invariant_dims"]
    covariants = None
    if "covariant" in case["outputs"]:
        covariants = products.covariants(case["covariant_mode"])
    options = AttentionOptions(
        width=6,
        invariants=case["invariant_dims"],
        rank=case["rank"],
        merge=case["merge"],
        join=case["join"],
        reduce=case["reduce"],
        covariants=0 if covariants is None else covariants.shape[-2],
        invariant_result="invariant" in case["outputs"],
        hidden_width=7,
        norm="none",
        input_norm=False,
    )
    layer = GeometricAttention(options).double()
    layer.load_state_dict(layer_state(tensors))
    values = tensors["val"].flatten(0, 1)
    return layer(invariants, values, mask=mask, covariants=covariants)


def layer_state(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    weights = {key[2:]: value for key, value in tensors.items() if key.startswith("w/")}
    state, kernels = {}, {}
    for key, value in weights.items():
        kind, _, rest = key.partition(".")
        if "_net" in kind:
            place = {"0": "first", "2": "last"}[rest[0]]
            state[f"{kind.removesuffix('_net')}.{place}{rest[1:]}"] = value
        elif kind == "vector_kernels":
            state["vector"] = value
        else:
            kernels.setdefault(kind.removesuffix("_kernels"), {})[int(rest)] = value
    stacked = {
        kind: torch.stack([parts[n] for n in range(len(parts))]) for kind, parts in kernels.items()
    }
    return state | stacked


@pytest.mark.parametrize("norm", ["layer", "layer_detached"])
@pytest.mark.parametrize("name", NETWORKS)
class TestNetworks:
    @pytest.mark.parametrize("structure", [0, 1])
    def test_single_structures(self, reference, name, norm, structure):
        model = network(reference, name, norm).eval()
        atoms = 4 - structure
        rows = (structure, slice(atoms), slice(atoms))
        block = neighbourhoods(reference, name, rows)
        found = torch.cat(model.embed([block], [model.pair_values(block)])).sum(0)
        expected = reference[f"{name}/out_single_{structure}"][0]
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)

    def test_padding_does_not_matter(self, reference, name, norm):
        """The reference's own batch result differs by 0.13 and more here."""
        model = network(reference, name, norm).eval()
        block = neighbourhoods(reference, name, (1, slice(3), slice(4)))
        mask = torch.tensor([True, True, True, False]).expand(3, 4)
        padded = Neighbourhoods(
            centre_numbers=block.centre_numbers,
            member_numbers=block.member_numbers,
            vectors=block.vectors,
            mask=mask,
            weights=None,
        )
        found = torch.cat(model.embed([padded], [model.pair_values(padded)])).sum(0)
        expected = reference[f"{name}/out_single_1"][0]
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)

    def test_one_pass_in_training_mode(self, reference, name, norm):
        """The reference lets padding take part in attention and statistics, so here it does too."""
        model = network(reference, name, norm).train()
        vectors = reference[f"{name}/pc_pos"].flatten(0, 1)
        features = reference[f"{name}/pc_features"].flatten(0, 1)
        weight, bias = (reference[f"{name}/w/up_project.{part}"] for part in ("weight", "bias"))
        numbers = torch.zeros(vectors.shape[:2], dtype=torch.int64)
        block = Neighbourhoods(
            centre_numbers=numbers[:, 0],
            member_numbers=numbers,
            vectors=vectors,
            mask=None,
            weights=None,
        )
        found = torch.cat(model.embed([block], [features @ weight.T + bias])).view(2, 4, -1)
        existing = reference[f"{name}/pc_mask"][:, 0].unsqueeze(-1)
        expected = reference[f"{name}/out_after_one_train_pass"]
        torch.testing.assert_close((found * existing).sum(1), expected, rtol=1e-10, atol=1e-10)
        compare_statistics(model, reference, name)


def network(reference: dict[str, torch.Tensor], name: str, norm: str) -> GALA:
    config = GALAConfig(
        elements="learnt",
        hidden=8,
        depth=2,
        softening=0,
        chirality="seen",
        equivariant_attention=name.endswith("equivariant"),
        multivector_update="paper",
        network_norm=norm,
        block_norm=norm,
    )
    model = GALA(config).double()
    prefix = f"{name}/w/"
    weights = {k.removeprefix(prefix): v for k, v in reference.items() if k.startswith(prefix)}
    model.load_state_dict(rename(weights))
    return model


def neighbourhoods(reference: dict[str, torch.Tensor], name: str, rows: tuple) -> Neighbourhoods:
    """Read the species of centres and members from the reference's one-hot features."""
    plus, minus = reference[f"{name}/pc_features"][rows].chunk(2, dim=-1)
    return Neighbourhoods(
        centre_numbers=(plus + minus)[:, 0].argmax(-1),
        member_numbers=(plus - minus).argmax(-1),
        vectors=reference[f"{name}/pc_pos"][rows],
        mask=None,
        weights=None,
    )


def compare_statistics(model: GALA, reference: dict[str, torch.Tensor], name: str) -> None:
    prefix = f"{name}/buffers_after_train_pass/"
    seen = {k.removeprefix(prefix): v for k, v in reference.items() if k.startswith(prefix)}
    state, compared = model.state_dict(), 0
    for key, value in seen.items():
        kind, _, rest = key.partition(".")
        number, _, last = rest.partition(".")
        if kind == "value_nets":  # odd numbers: the layers; even: covariant attention, or unused
            owner = "layers" if int(number) % 2 else "updates"
            last = {"mu": "mean", "sigma": "deviation"}[last.removeprefix("0.")]
            ours = f"{owner}.{int(number) // 2}.attention.input_norm.{last}"
        elif kind == "final_mlp":
            ours = "final_norm." + {"mu": "mean", "sigma": "deviation"}[last]
        else:
            ours = f"updates.{number}.norm.norm"
        if owner_is_missing(ours, state):
            continue
        torch.testing.assert_close(state[ours], value, rtol=1e-10, atol=1e-10, msg=ours)
        compared += 1
    assert compared == (16 if model.updates else 8)


def owner_is_missing(name: str, state: dict[str, torch.Tensor]) -> bool:
    """Networks that the reference keeps and does not use in the tied model."""
    return name.startswith("updates.") and name not in state


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
