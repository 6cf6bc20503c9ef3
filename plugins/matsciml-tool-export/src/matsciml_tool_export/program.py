"""A trained model as one graph of operations on tensors, which PyTorch runs without this project.

Energies are exported with their derivatives: the graph holds the forward pass and the backward
pass. ``torch.export`` alone cannot follow ``autograd.grad`` (torch 2.13 ends with a fake tensor
among the constants); ``make_fx`` sees every operation that autograd performs, also those of
derivatives that are written by hand, and its result is exported in turn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from matsciml_core.errors import ConfigError
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.crystal import Crystal
from matsciml_core.interfaces.elements import atomic_number
from matsciml_core.model.prediction import name_labels
from matsciml_core.model.trained import TrainedModel
from matsciml_util_potential.potential import Potential

INPUTS = ("numbers", "positions", "cell", "edges", "shifts")
"""Names of the arguments of a program, in order."""
_Function = Callable[..., tuple[Tensor, ...]]
_index_add = (torch.ops.aten.index_add.default, torch.ops.aten.index_add_.default)


@dataclass(frozen=True, kw_only=True)
class Output:
    """A result of a program."""

    name: str
    unit: str
    """Of classes ``class``: what is returned are probabilities."""
    per: str
    """``atom`` or ``edge``, where there is one for each; otherwise ``crystal``."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A traced model."""

    graph: ExportedProgram
    """Takes :data:`INPUTS`: atomic numbers ``(atoms,)``, positions ``(atoms, 3)`` in Å, lattice
    vectors as rows ``(3, 3)`` in Å, senders and receivers ``(2, edges)`` sorted by receiver, and
    images of the senders ``(edges, 3)`` in lattice vectors."""
    min_atoms: int
    """Fewest atoms, and edges, that the graph holds for."""
    outputs: tuple[Output, ...]
    """What it returns, in order, float64."""
    examples: tuple[tuple[Tensor, ...], ...]
    """Inputs, the first those that it was traced with."""
    expected: tuple[tuple[Tensor, ...], ...]
    """What the model itself returns for them."""

    def check(self, run: Callable[..., Sequence[Tensor]]) -> None:
        """Compare what runs the graph with the model.

        Args:
            run: Takes the inputs, returns the outputs.

        Raises:
            ConfigError: It gives other numbers than the model.
        """
        for inputs, expected in zip(self.examples, self.expected, strict=True):
            tolerance = 1e-5 if inputs[1].dtype == torch.float32 else 1e-10
            for output, ours, theirs in zip(self.outputs, expected, run(*inputs), strict=True):
                scale = float(ours.abs().max().clamp(min=1.0))
                # Sums run in another order, and rounding adds up over layers.
                if not torch.allclose(ours, theirs, rtol=0.0, atol=tolerance * scale):
                    raise ConfigError(
                        f"The exported program gives another {output.name} than the model "
                        f"(by {float((ours - theirs).abs().max()):.1e} {output.unit}); export in "
                        "another precision, or as a folder."
                    )


def trace(model: TrainedModel, dataset: str | None = None, *, by_edge: bool = False) -> Program:
    """Write a model down as a graph that holds for any number of atoms and edges.

    A model of an energy gives energy, forces and stress, the latter two as derivatives; any other
    all its labels.

    Args:
        model: The model, on the CPU.
        dataset: Which energy, where the model predicts those of several datasets.
        by_edge: Whether to return, instead of labels, the energy and its derivatives by the
            vectors along edges. Then the cell is the unit matrix, positions are zero, and the shift
            of an edge is the vector from receiver to sender, Å.

    Raises:
        ConfigError: The encoder or a head cannot be traced, or there are several energies; or they
            are no function of the vectors along edges alone, where that is asked for.
    """
    examples = tuple(_inputs(model, crystal) for crystal in _examples(model))
    if by_edge:
        potential = Potential(model, dataset)
        function, outputs = _by_edge(potential)
        examples = tuple(_along_edges(potential, inputs) for inputs in examples)
    else:
        function, outputs = _function_of(model, dataset)
    # Before the trace: what layers keep for later must be made of numbers, not of symbols.
    expected = tuple(function(*inputs) for inputs in examples)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about parts of itself
            graph, least = _graph_of(function, examples[0])
    except Exception as error:  # whatever a layer does that has no graph
        reason = str(error).strip().partition("\n")[0]
        name = model.description.get("encoder", {}).get("name", type(model.encoder).__name__)
        raise ConfigError(
            f"The encoder '{name}' cannot be written as a program, since no single graph of "
            f"operations holds for all structures ({reason[:160]}); export it as a folder, and "
            "use it with this project installed."
        ) from error
    return Program(
        graph=graph,
        min_atoms=least,
        outputs=outputs,
        examples=examples,
        expected=expected,
    )


def _graph_of(function: _Function, inputs: tuple[Tensor, ...]) -> tuple[ExportedProgram, int]:
    """Return the operations that a function performs, and for how many atoms and edges at least."""
    module = make_fx(function, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*inputs)
    _sum_single_segments(module)
    try:
        return _export(module, inputs, 1), 1
    except RuntimeError:  # torch tells layouts apart that a single row does not
        return _export(module, inputs, 2), 2


def _export(module: GraphModule, inputs: tuple[Tensor, ...], least: int) -> ExportedProgram:
    atoms, edges = Dim("atoms", min=least), Dim("edges", min=least)
    shapes = ({0: atoms}, {0: atoms}, None, {1: edges}, {0: edges})
    graph = torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
    functional: ExportedProgram = graph.run_decompositions({})
    return functional  # has no operation that writes to its input


def _function_of(model: TrainedModel, dataset: str | None) -> tuple[_Function, tuple[Output, ...]]:
    """Return what is traced, and what it returns."""
    if any(info.kind == "energy" for info in model.targets.values()):
        potential = Potential(model, dataset)

        def energy(*inputs: Tensor) -> tuple[Tensor, ...]:
            output = potential(_batch(*inputs), forces=True, stress=True)
            if output.forces is None or output.stress is None:
                raise RuntimeError("the potential was asked for derivatives and gave none")
            return output.energy[0].double(), output.forces, output.stress[0]

        return energy, (
            Output(name="energy", unit="eV", per="crystal"),
            Output(name="forces", unit="eV/Å", per="atom"),
            Output(name="stress", unit="eV/Å³", per="crystal"),
        )
    labels = name_labels(model.tasks)

    @torch.no_grad()
    def properties(*inputs: Tensor) -> tuple[Tensor, ...]:
        batch = _batch(*inputs)
        embedding = model.encoder(batch)
        values = {
            task: task.head.inverse_transform(task.head(embedding, batch), batch)
            for task in dict.fromkeys(task for task, _ in labels.values())
        }
        rows = [(values[task][info.name].double(), info.per_atom) for task, info in labels.values()]
        return tuple(value if per_atom else value[0] for value, per_atom in rows)

    return properties, tuple(
        Output(name=name, unit=info.unit, per="atom" if info.per_atom else "crystal")
        for name, (_, info) in labels.items()
    )


def _by_edge(potential: Potential) -> tuple[_Function, tuple[Output, ...]]:
    """Return what is traced for a program of vectors along edges, and what it returns."""

    def function(*inputs: Tensor) -> tuple[Tensor, ...]:
        energy, slopes = potential.by_edge(_batch(*inputs))
        return energy[0].double(), slopes

    return function, (
        Output(name="energy", unit="eV", per="crystal"),
        Output(name="slopes", unit="eV/Å", per="edge"),
    )


def _along_edges(potential: Potential, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return inputs with the vectors along edges for positions, cell and shifts.

    Raises:
        ConfigError: The model looks at more than these vectors.
    """
    numbers, positions, cell, edges, shifts = inputs
    vectors = positions[edges[0]] + shifts @ cell - positions[edges[1]]  # (edges, 3)
    unit = torch.eye(3, dtype=cell.dtype)
    changed = (numbers, torch.zeros_like(positions), unit, edges, vectors)
    expected = potential(_batch(*inputs))
    tolerance = 1e-3 if cell.dtype == torch.float32 else 1e-8
    try:
        energy, slopes = potential.by_edge(_batch(*changed))
    except Exception as error:  # of an encoder that cannot live with such shifts, whatever it is
        reason = str(error).strip().partition("\n")[0]
        raise _no_edges(reason) from error
    forces = slopes.new_zeros(positions.shape)
    forces = forces.index_add(0, edges[1], slopes).index_add(0, edges[0], -slopes)
    for ours, theirs in ((energy, expected.energy), (forces, expected.forces)):
        if theirs is None or not torch.allclose(ours.double(), theirs.double(), atol=tolerance):
            raise _no_edges("its forces are others")
    return changed


def _no_edges(reason: str) -> ConfigError:
    return ConfigError(
        "The energy of this model is no function of the vectors to the neighbours alone, which is "
        f"all that LAMMPS gives here ({reason[:160]}); use matsciml lammps, which couples it in "
        "another way."
    )


def _batch(
    numbers: Tensor, positions: Tensor, cell: Tensor, edges: Tensor, shifts: Tensor
) -> CrystalBatch:
    """Return the inputs of a program as a batch of one crystal."""
    receiver = edges[1]
    return CrystalBatch(
        atomic_numbers=numbers,
        positions=positions,
        cell=cell.unsqueeze(0),
        pbc=torch.ones(1, 3, dtype=torch.bool),
        crystal_index=torch.zeros_like(numbers),
        # Computed, since the number of atoms is a symbol.
        atoms_per_crystal=torch.ones_like(numbers).sum().view(1),
        edge_index=edges,
        cell_shift=shifts,
        edges_per_atom=torch.zeros_like(numbers).index_add(0, receiver, torch.ones_like(receiver)),
    )


def _inputs(model: TrainedModel, crystal: Crystal) -> tuple[Tensor, ...]:
    """Return a crystal as the inputs of a program."""
    batch = model.batch([crystal])
    if batch.edge_index is None or batch.cell_shift is None:
        raise ConfigError(
            "A model that looks at no neighbours cannot be written as a program; export it as a "
            "folder."
        )
    return (
        batch.atomic_numbers,
        batch.positions,
        batch.cell[0],
        batch.edge_index,
        batch.cell_shift,
    )


def _examples(model: TrainedModel) -> Iterator[Crystal]:
    """Yield two crystals of different sizes, without symmetry, of elements that the model knows."""
    random = np.random.default_rng(0)
    elements = [atomic_number(name) or 1 for name in model.elements or ("Na", "Cl")]
    cutoff = model.encoder.neighbours.cutoff if model.encoder.neighbours else 5.0
    spacing = min(3.0, 0.7 * cutoff)
    for repeats in ((2, 2, 2), (3, 2, 1)):
        sites = np.stack(np.meshgrid(*map(np.arange, repeats), indexing="ij"), axis=-1)
        positions = spacing * sites.reshape(-1, 3) + random.uniform(
            -0.2, 0.2, (sites[..., 0].size, 3)
        )
        cell = spacing * np.diag(repeats) + random.uniform(0.0, 0.2, (3, 3))
        yield Crystal(
            id="example",
            atomic_numbers=np.resize(elements, len(positions)),
            positions=positions,
            cell=cell,
        )


def _sum_single_segments(module: GraphModule) -> None:
    """Replace sums into a single row, the crystal's, by plain sums.

    Inductor of torch 2.13 ends with an assertion where it vectorises an addition at an index that
    is always zero.
    """
    aten: Any = torch.ops.aten
    for node in module.graph.nodes:
        if node.target not in _index_add or node.args[1] != 0:
            continue
        start, _, _, rows = node.args
        if start.meta["val"].shape[0] != 1:
            continue
        with module.graph.inserting_before(node):
            total = module.graph.call_function(aten.sum.dim_IntList, (rows, [0], True))
            result = module.graph.call_function(aten.add.Tensor, (start, total))
        node.replace_all_uses_with(result)
        module.graph.erase_node(node)
    module.recompile()
