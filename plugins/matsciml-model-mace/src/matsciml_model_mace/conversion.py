"""A model of this project out of a file of MACE's weights, without mace-torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from matsciml_core import Encoder, Registry, Task
from matsciml_core.errors import ConfigError, DataError, did_you_mean
from matsciml_core.interfaces.elements import symbol
from matsciml_core.model.components import build_head
from matsciml_core.model.foreign import ENERGY_LABELS, Provenance
from matsciml_core.model.storage import save_model
from matsciml_core.model.undisturbed import undisturbed
from matsciml_model_mace.config import Interaction, MACEConfig
from matsciml_model_mace.records import PAPER
from matsciml_model_mace.weights_file import WeightsFile, part_of, tensors_of
from matsciml_util_toolkit_lmdb.pickle_machine import InertObject

_RADIAL = {"BesselBasis": "bessel", "GaussianBasis": "gaussian", "ChebychevBasis": "chebyshev"}
_TRANSFORMS = {"AgnesiTransform": "Agnesi", "SoftTransform": "Soft"}
_FOREIGN = ("joint_embedding", "embedding_readout", "edge_irreps", "cueq_config", "oeq_config")
_FLAGS = ("use_so3", "use_agnostic_product", "use_last_readout_only", "use_edge_irreps_first")
"""What networks may have that the encoder does not."""
_READOUTS = ("LinearReadoutBlock", "NonLinearReadoutBlock")
_ACTIVATION = "torch.nn.functional.silu"
_SECOND_MOMENT = 1.6791767923989418
"""What e3nn 0.4.4 multiplies that function by; a file holds the number that it was trained with."""


def convert(
    file: Path, folder: Path, head: str | None, provenance: Provenance, registry: Registry
) -> MACEConfig:
    """Write a model of a file of weights.

    Args:
        file: What mace-torch wrote of a whole network.
        folder: Where to write it; made if it does not exist.
        head: Name of the read-out; None: there is one.
        provenance: What to record of the weights.
        registry: Where the head for energies is looked up.

    Returns:
        The settings that the file was found to have.

    Raises:
        ConfigError: There is no such read-out, or several and none is named.
        DataError: The file is none of MACE, or has what the encoder has not.
        RegistryError: The head for energies is not installed.
    """
    network = WeightsFile(file).network
    config = settings_of(network, head, file)
    tensors = dict(tensors_of(network))
    energies = tensors["atomic_energies_fn.atomic_energies"].double().view(len(config.heads), -1)
    # The head adds those of free atoms, in float64.
    tensors["atomic_energies_fn.atomic_energies"] = torch.zeros_like(energies)
    for name in ("scale_shift.scale", "scale_shift.shift"):
        if name in tensors:  # one number for all heads, or one each
            tensors[name] = tensors[name].reshape(-1).expand(len(config.heads)).clone()
    encoder = _Converted(config, tensors)
    with undisturbed():  # the head's layers start with random numbers
        task = _energy_task(encoder, energies[config.heads.index(config.head)], registry)
    symbols = [symbol(number) for number in config.elements]
    # The energy of the free atom is among the weights.
    record = provenance.record(file, symbols, isolated_atoms=True)
    folder.mkdir(parents=True, exist_ok=True)  # not before it is known that there is a model
    save_model(
        folder,
        "mace",
        encoder,
        [task],
        {"pretrained": record, "elements": symbols, "citations": [PAPER.bibtex()]},
    )
    return config


def settings_of(network: InertObject, head: str | None, file: Path) -> MACEConfig:
    """Return the settings of an inert network.

    Args:
        network: The network.
        head: As for :func:`convert`.
        file: For messages.

    Raises:
        ConfigError: As for :func:`convert`.
        DataError: As for :func:`convert`.
    """
    kind = network.name.rpartition(".")[2]
    if kind not in ("MACE", "ScaleShiftMACE"):
        raise DataError(f"'{file}' holds a '{kind}', and a MACE or ScaleShiftMACE can be used.")
    heads = tuple(part_of(network, "heads") or ("Default",))
    try:
        if foreign := ", ".join(_foreign_parts(network)):
            raise DataError(
                f"The network in '{file}' has {foreign}, which this encoder does not have; use it "
                "by mace-torch itself."
            )
        settings = _read_settings(network, kind, heads)
    except (AttributeError, TypeError, IndexError, KeyError, ValueError) as error:
        raise DataError(
            f"The network in '{file}' is not as mace-torch 0.3.16 has it ({error}); load and save "
            "it with that release first."
        ) from error
    return MACEConfig.from_options({**settings, "head": _choose(head, heads, file)}, where="mace")


def _foreign_parts(network: InertObject) -> Iterator[str]:
    """Yield what the network has and the encoder does not.

    Some of it changes no tensor, so that a model without it would load, and compute something else.
    """
    yield from (name for name in _FOREIGN if part_of(network, name) is not None)
    yield from (name for name in _FLAGS if part_of(network, name))
    if part_of(network, "apply_cutoff") is False:
        yield "radial functions that do not end at the cutoff (apply_cutoff)"
    interactions = [_class_of(module) for module in _children(network, "interactions")]
    yield from (name for name in dict.fromkeys(interactions) if name not in get_args(Interaction))
    if len(set(interactions[1:])) > 1:
        yield "further interactions of several kinds"
    products = _children(network, "products")
    hidden = _irreps(part_of(products[0], "linear", "irreps_out"))
    if hidden != [(hidden[0][0], degree, (-1) ** degree) for degree in range(len(hidden))]:
        yield "features that are not equally many of each degree"
    if len({_correlation(product) for product in products}) > 1:
        yield "a correlation that differs between interactions"
    if len(products) > 1 and len(_irreps(part_of(products[-1], "linear", "irreps_out"))) > 1:
        yield "more than scalars after the last interaction"
    readouts = _children(network, "readouts")
    yield from (name for name in map(_class_of, readouts) if name not in _READOUTS)
    gate = part_of(readouts[-1], "non_linearity")
    if gate is not None and None in _children(gate, "acts"):
        yield "a read-out without activation function"
    for function, moment in _activations(network):
        if function != _ACTIVATION:
            yield f"the activation function {function}"
        elif abs(moment - _SECOND_MOMENT) > 1e-6:
            yield f"activations scaled by {moment}"


def _activations(module: InertObject) -> Iterator[tuple[str, float]]:
    """Yield the activation functions of a module, and what each is multiplied by."""
    if _class_of(module) == "normalize2mom":
        yield getattr(part_of(module, "f"), "name", "unknown"), float(part_of(module, "cst"))
    for child in (part_of(module, "_modules") or {}).values():
        if isinstance(child, InertObject):
            yield from _activations(child)


def _choose(head: str | None, heads: tuple[str, ...], file: Path) -> str:
    if head is None and len(heads) == 1:
        return heads[0]
    if head not in heads:
        hint = did_you_mean(head or "", heads)
        raise ConfigError(
            f"'{file}' has the heads {', '.join(heads)}, each with energies of its own; name one "
            f"of them with --head.{hint}"
        )
    return str(head)


def _read_settings(network: InertObject, kind: str, heads: tuple[str, ...]) -> dict[str, Any]:
    """Return the settings but for the chosen head."""
    interactions = _children(network, "interactions")
    products = _children(network, "products")
    radial = part_of(network, "radial_embedding")
    basis = part_of(radial, "bessel_fn")
    transform = part_of(radial, "distance_transform")
    widths = part_of(interactions[0], "conv_tp_weights", "hs")
    hidden = _irreps(part_of(products[0], "linear", "irreps_out"))
    readout = part_of(_children(network, "readouts")[-1], "hidden_irreps")
    reduced = part_of(network, "use_reduced_cg")
    width = hidden[0][0]
    elements = part_of(network, "atomic_numbers").tolist()
    if elements != sorted(set(elements)):
        raise ValueError("its elements are not in order")
    return {
        "network": kind,
        "cutoff": float(part_of(network, "r_max")),
        "radial_functions": _count_functions(basis),
        "radial_type": _RADIAL[_class_of(basis)],
        "radial_widths": [int(one) for one in widths[1:-1]],
        "distance_transform": "None" if transform is None else _TRANSFORMS[_class_of(transform)],
        "envelope_power": int(part_of(radial, "cutoff_fn", "p")),
        "max_degree": int(part_of(network, "spherical_harmonics", "_lmax")),
        "first_interaction": _class_of(interactions[0]),
        "interaction": _class_of(interactions[-1]),
        "num_interactions": len(interactions),
        "width": width,
        "hidden_degree": len(hidden) - 1,
        "correlation": _correlation(products[0]),
        "readout_width": 16 if readout is None else _irreps(readout)[0][0] // len(heads),
        "avg_num_neighbors": float(part_of(interactions[0], "avg_num_neighbors")),
        "elements": elements,
        "repulsion": part_of(network, "pair_repulsion_fn") is not None,
        "reduced_coupling": bool(reduced),
        "heads": list(heads),
    }


def _children(network: InertObject, name: str) -> list[Any]:
    return list(part_of(network, name, "_modules").values())


def _class_of(module: InertObject) -> str:
    return module.name.rpartition(".")[2]


def _count_functions(basis: InertObject) -> int:
    """Return the number of radial functions."""
    for name in ("bessel_weights", "gaussian_weights", "n"):
        weights = part_of(basis, name)
        if weights is not None:
            return int(weights.numel())
    raise ValueError("its radial functions have no weights")


def _correlation(product: InertObject) -> int:
    """Return the correlation order: a contraction has weights of each, the highest apart."""
    contraction = _children(part_of(product, "symmetric_contractions"), "contractions")[0]
    return len(part_of(contraction, "weights", "_parameters")) + 1


def _irreps(value: Any) -> list[tuple[int, int, int]]:
    """Return inert irreducible representations as (count, degree, parity)."""
    if isinstance(value, InertObject):
        value = value.arguments[0] if len(value.arguments) == 1 else value.arguments
    found = []
    for one in value:
        count, irrep = one.arguments[0] if len(one.arguments) == 1 else one.arguments
        degree, parity = irrep.arguments[0] if len(irrep.arguments) == 1 else irrep.arguments
        found.append((int(count), int(degree), int(parity)))
    return found


class _Converted(Encoder):
    """The tensors of a network under their names, with the settings, and nothing to compute."""

    def __init__(self, config: MACEConfig, tensors: dict[str, Tensor]) -> None:
        super().__init__(config)
        self.atom_width = self.crystal_width = config.width * config.num_interactions + 1
        self.network = nn.Module()
        for name, tensor in tensors.items():
            *path, last = name.split(".")
            module = self.network
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module.get_submodule(part)
            module.register_buffer(last, tensor.contiguous())

    def forward(self, batch: Any) -> Any:
        """Compute nothing: the converted model is loaded again."""
        raise NotImplementedError


def _energy_task(encoder: Encoder, energies: Tensor, registry: Registry) -> Task:
    """Return the head that hands on the encoder's energies, and adds those of free atoms.

    Args:
        encoder: The encoder.
        energies: Of the free atoms of the elements, ``(elements,)``, eV.
        registry: Where the head is looked up.
    """
    spec = registry.get("task-head", "energy-forces")
    head: Any = build_head(registry, spec, ENERGY_LABELS, encoder, {"hidden": []})
    (layer,) = head.layers.layers
    with torch.no_grad():
        layer.weight.zero_()[:, -1] = 1.0
        head.references[list(encoder.config.elements)] = energies  # type: ignore[union-attr]
    dtype = next(tensor.dtype for tensor in encoder.buffers() if tensor.is_floating_point())
    head.layers.to(dtype)
    return Task(dataset="mace", head_name="energy-forces", head=head)
