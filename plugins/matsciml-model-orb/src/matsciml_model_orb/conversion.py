"""A model of this project out of a file of Orb's weights, without orb-models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from matsciml_core import Registry, Task
from matsciml_core.errors import ConfigError, DataError
from matsciml_core.interfaces.elements import symbol
from matsciml_core.model.components import build_head
from matsciml_core.model.foreign import ENERGY_LABELS, Provenance
from matsciml_core.model.storage import save_model
from matsciml_core.model.undisturbed import undisturbed
from matsciml_core.nn.harmonics import HARMONICS
from matsciml_model_orb.config import OrbConfig
from matsciml_model_orb.encoder import HEAVIEST, ROWS, Orb
from matsciml_model_orb.layers import CUTOFF
from matsciml_model_orb.records import PAPER

ELEMENTS = (*range(1, 84), *range(89, 95))
"""The 89 elements of the crystals that conservative networks were published for; tensors for all
others are in the files, too, and were never trained."""
_PUBLISHED = re.compile(r"conservative-(20|inf)-")
_NEIGHBOURS = {"20": 20, "inf": 120}
"""What the names of published files mean."""
_DIRECT = ("heads.forces.", "heads.stress.", "node_head.", "stress_head.")
_UNUSED = (
    "heads.confidence.",
    "model._decoder.",
    "model.rbf_transform.",
    "grad_forces_normalizer.",
    "grad_stress_normalizer.",
)
"""What of a file no energy depends on, or follows from the settings."""


def convert(
    file: Path, folder: Path, neighbours: int | None, provenance: Provenance, registry: Registry
) -> OrbConfig:
    """Write a model of a file of weights.

    Args:
        file: The tensors of a conservative network, as orb-models publishes them.
        folder: Where to write it; made if it does not exist.
        neighbours: Neighbours of an atom in the network, which no file says; None: by its name.
        provenance: What to record of the weights.
        registry: Where the head for energies is looked up.

    Returns:
        The settings that the file was found to have.

    Raises:
        ConfigError: The number of neighbours is neither given nor in the name of the file.
        DataError: The file is none of a conservative Orb v3.
        RegistryError: The head for energies is not installed.
    """
    if neighbours is None:
        named = _PUBLISHED.search(file.name)
        if named is None:
            raise ConfigError(
                f"How many neighbours the atoms of '{file}' have is not in the file; give "
                "--neighbours 20 for those published as '20', 120 for 'inf'."
            )
        neighbours = _NEIGHBOURS[named[1]]
    state = read_tensors(file)
    try:
        config = settings_of(state, neighbours)
        tensors = dict(encoder_state(state, config))
        with undisturbed():  # layers start with random numbers
            encoder = Orb(config).to(next(iter(tensors.values())).dtype)
            encoder.load_state_dict(tensors)
            head = _energy_head(encoder, state, registry)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise DataError(
            f"The tensors in '{file}' are not those of a conservative Orb v3 ({error})."
        ) from error
    known = [symbol(number) for number in ELEMENTS]
    folder.mkdir(parents=True, exist_ok=True)  # not before it is known that there is a model
    save_model(
        folder,
        "orb",
        encoder,
        [Task(dataset="orb", head_name="energy-forces", head=head)],
        {
            "pretrained": provenance.record(file, known, isolated_atoms=False),
            "elements": known,
            "citations": [PAPER.bibtex()],
        },
    )
    return config


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a file; nothing else in it is read, and nothing is run.

    Raises:
        DataError: It is none, or of a network that is not conservative.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged pickle leads to
        problem = str(error).strip().splitlines()[:1]
        raise DataError(
            f"'{file}' is no file of tensors by torch.save ({' '.join(problem)}); name the '.ckpt' "
            "file that orb-models fetches."
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise DataError(
            f"'{file}' holds more than tensors; name the '.ckpt' file that orb-models fetches."
        )
    if any(name.startswith(_DIRECT) for name in state):
        raise DataError(
            f"'{file}' is of a direct network, whose forces and stress are outputs of their own "
            "and no derivatives of its energy, so that energy is not conserved; take a "
            "'conservative' one, or use it by orb-models itself."
        )
    if any(name.startswith("model.conditioner.") for name in state):
        raise DataError(
            f"The network in '{file}' asks for charge and spin, which this encoder does not have; "
            "use it by orb-models itself."
        )
    return dict(state)


def settings_of(state: Mapping[str, Tensor], neighbours: int) -> OrbConfig:
    """Return the settings of the network that tensors belong to.

    Args:
        state: Those of the file: layers, ``(out, in)``, dimensionless, and the cutoff, ``()``, Å.
        neighbours: Neighbours of an atom in the network.

    Raises:
        KeyError: A tensor is missing.
        ValueError: One has another shape or value than that of any Orb v3.
    """
    table = state["model.atom_emb.embeddings.weight"]
    functions = len(state["model.rbf_transform.bessel_weights"])
    edges = state["model._encoder._edge_fn.mlp.NN-0.weight"]
    if len(table) != ROWS or edges.shape[1] != functions * HARMONICS:
        raise ValueError("edges or elements are described in another way")
    if float(state["model.rbf_transform.r_max"]) != CUTOFF:
        raise ValueError(f"its cutoff is not {CUTOFF:g} Å")
    hidden = _count(state, "model._encoder._edge_fn.mlp.NN-") - 1
    readout = state["heads.energy.mlp.NN-0.weight"]
    return OrbConfig(
        width=table.shape[1],
        hidden=edges.shape[0],
        num_hidden=hidden,
        num_interactions=_count(state, "model.gnn_stacks."),
        radial_functions=functions,
        readout_width=readout.shape[0],
        readout_hidden=_count(state, "heads.energy.mlp.NN-") - 1,
        max_neighbours=neighbours,
        repulsion=True,
    )


def encoder_state(state: Mapping[str, Tensor], config: OrbConfig) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the encoder by the names that they have here.

    Args:
        state: Those of the file: layers, ``(out, in)``, dimensionless but for the variance of
            energies, ``(1,)``, (eV/atom)², and the frequencies, ``(radial_functions,)``, 1/Å.
        config: The settings of the network.

    Raises:
        ValueError: The file has tensors for which there is no place.
    """
    used = {"model.atom_emb.embeddings.weight", "model.rbf_transform.bessel_weights"}
    yield "elements.weight", state["model.atom_emb.embeddings.weight"]
    yield "lengths.frequencies", state["model.rbf_transform.bessel_weights"]
    perceptrons = {"atoms": "model._encoder._node_fn", "edges": "model._encoder._edge_fn"}
    for number in range(config.num_interactions):
        ours, theirs = f"interactions.{number}", f"model.gnn_stacks.{number}"
        perceptrons |= {f"{ours}.atoms": f"{theirs}._node_mlp"}
        perceptrons |= {f"{ours}.edges": f"{theirs}._edge_mlp"}
        for gate in ("receive", "send"):
            for part in ("weight", "bias"):
                used.add(f"{theirs}._{gate}_attn.{part}")
                yield f"{ours}.{gate}.{part}", state[f"{theirs}._{gate}_attn.{part}"]
    names = {
        f"{ours}.layers.{layer}.{part}": f"{theirs}.mlp.NN-{layer}.{part}"
        for ours, theirs in perceptrons.items()
        for layer in range(config.num_hidden + 1)
        for part in ("weight", "bias")
    }
    names |= {f"{one}.norm.weight": f"{its}.layer_norm.weight" for one, its in perceptrons.items()}
    used |= set(names.values())
    yield from ((ours, state[theirs]) for ours, theirs in names.items())
    deviation = state["heads.energy.normalizer.bn.running_var"].sqrt()
    for layer in range(config.readout_hidden + 1):
        last = layer == config.readout_hidden
        for part in ("weight", "bias"):
            tensor = state[f"heads.energy.mlp.NN-{layer}.{part}"]
            yield f"readout.layers.{layer}.{part}", tensor * deviation if last else tensor
    unknown = sorted(set(state) - used)
    unknown = [one for one in unknown if not one.startswith((*_UNUSED, "heads.energy."))]
    if unknown:
        raise ValueError(f"no place for {', '.join(unknown[:3])}")


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    """Return how many numbers follow a prefix among the names."""
    rest = (name.removeprefix(prefix) for name in state if name.startswith(prefix))
    return len({one.partition(".")[0] for one in rest})


def _energy_head(encoder: Orb, state: Mapping[str, Tensor], registry: Registry) -> Any:
    """Return the head that adds constants to the encoder's energies: one for each element."""
    spec = registry.get("task-head", "energy-forces")
    head: Any = build_head(registry, spec, ENERGY_LABELS, encoder, {"hidden": []})
    (layer,) = head.layers.layers
    references = state["heads.energy.reference.linear.weight"].flatten().double()
    with torch.no_grad():
        layer.weight.zero_()[:, -1] = 1.0
        head.references[1 : HEAVIEST + 1] = references[1 : HEAVIEST + 1]
        head.mean.copy_(state["heads.energy.normalizer.bn.running_mean"][0])
    head.layers.to(encoder.elements.weight.dtype)
    return head
