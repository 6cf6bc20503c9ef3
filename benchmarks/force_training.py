"""How fast E(n)-GNN trains on forces, beside a plain implementation of the same equations.

    python benchmarks/force_training.py FRAMES

FRAMES are those of LiPS, in any form that the dataset ``lips`` reads. A step computes energies,
forces as their derivative, the gradient of both errors with respect to the weights, and moves
them. In turns, in one process, on the same frames with the same initial weights: the plain way in
float32, the project's encoder in float32, and the latter under bfloat16 autocast. After equal
steps the force errors of the two precisions stand side by side. On a machine that has other work
to do ``--clock processor`` counts the time that it worked for this process. ``--output FILE``
writes Markdown.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import _measure
import numpy as np
import torch
from _plain_egnn import PlainEGNN
from torch import Tensor, nn

from matsciml_core import CrystalBatch, Encoder, build_registry
from matsciml_core.data.loader import BatchSource
from matsciml_core.data.neighbours.edges import NeighbourCache

WAYS = ("plain", "float32", "bfloat16")
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass
class Trainee:
    """A network with its output layer and optimiser."""

    network: nn.Module
    output: nn.Module
    bfloat16: bool
    clock: Callable[[], float]
    """In seconds."""
    seconds: list[float] = field(default_factory=list)
    """Of each step after the first."""

    def __post_init__(self) -> None:
        """Make the optimiser."""
        parameters = [*self.network.parameters(), *self.output.parameters()]
        self.optimiser = torch.optim.AdamW(parameters, lr=1e-3, fused=True)

    def forces(self, batch: CrystalBatch, *, train: bool) -> Tensor:
        """Return −∂E/∂x, ``(atoms, 3)``, in units of the labels' root mean square."""
        batch.positions.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            atoms = self.network(batch).atoms
        energy = self.output(atoms.float()).sum()
        (gradient,) = torch.autograd.grad(energy, batch.positions, create_graph=train)
        return -gradient

    def step(self, batch: CrystalBatch, scale: float) -> None:
        """Train on one batch."""
        start = self.clock()
        self.optimiser.zero_grad(set_to_none=True)
        loss = (self.forces(batch, train=True) - batch.targets["forces"] / scale).abs().mean()
        loss.backward()
        self.optimiser.step()
        self.seconds.append(self.clock() - start)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("frames", type=Path)
    parser.add_argument("--preset", default="forces")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--way", action="append", choices=WAYS, help="default: all")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    encoder = build_encoder(options.preset)
    batches = read(options.frames, encoder, options.batch_size)
    scale = float(torch.cat([batch.targets["forces"] for batch in batches]).square().mean().sqrt())
    trainees = make(encoder, options.way or WAYS, CLOCKS[options.clock])
    for number in range(options.steps + 1):
        for trainee in trainees.values():
            trainee.step(batches[number % len(batches)], scale)
    text = report(trainees, batches, scale, options)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


def build_encoder(preset: str) -> Encoder:
    """Return E(n)-GNN with the weights that every way starts from."""
    spec = build_registry().get("encoder", "egnn")
    torch.manual_seed(0)
    made: Encoder = spec.load()(spec.load_config().from_options({"preset": preset}, where="egnn"))
    return made


def read(path: Path, encoder: Encoder, batch_size: int) -> list[CrystalBatch]:
    """Return the frames in batches, with all edges."""
    spec = build_registry().get("dataset", "lips")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MATSCIML_DATA"] = folder  # what is converted is thrown away
        config = spec.load_config().from_options({"path": str(path)}, where="dataset")
        source = BatchSource(
            spec.load()(config),
            np.arange(100),
            neighbourhood=encoder.neighbours,
            labels=("energy", "forces"),
            cache=NeighbourCache(),
        )
        firsts = range(0, len(source) - batch_size + 1, batch_size)
        return [source[list(range(first, first + batch_size))] for first in firsts]


def make(encoder: Encoder, ways: Sequence[str], clock: Callable[[], float]) -> dict[str, Trainee]:
    """Return the networks to train."""
    output = nn.Linear(encoder.atom_width, 1)
    return {
        way: Trainee(
            PlainEGNN.like(encoder) if way == "plain" else copy.deepcopy(encoder),
            copy.deepcopy(output),
            way == "bfloat16",
            clock,
        )
        for way in ways
    }


def report(
    trainees: dict[str, Trainee],
    batches: Sequence[CrystalBatch],
    scale: float,
    options: argparse.Namespace,
) -> str:
    """Return the result as Markdown."""
    plain = trainees.get("plain")
    rows = []
    for way, one in trainees.items():
        seconds = statistics.median(one.seconds[1:])
        ratio = "–"
        if plain is not None:
            pairs = zip(plain.seconds[1:], one.seconds[1:], strict=True)
            ratio = f"{statistics.median(a / b for a, b in pairs):.2f}"
        errors = [
            (one.forces(batch, train=False) * scale - batch.targets["forces"]).abs().mean()
            for batch in batches
        ]
        error = float(torch.stack(errors).mean().detach())
        rows.append([way, f"{options.batch_size / seconds:.2f}", ratio, f"{error:.4f}"])
    zero = float(torch.stack([b.targets["forces"].abs().mean() for b in batches]).mean())
    facts = _measure.machine(("torch",))
    facts["threads"] = str(options.threads)
    facts["clock"] = options.clock
    facts["work"] = (
        f"{options.steps} steps on batches of {options.batch_size} frames of "
        f"{batches[0].num_atoms // batches[0].num_crystals} atoms, "
        f"{batches[0].num_edges // batches[0].num_crystals:,} edges each, preset {options.preset}"
    )
    facts["error of zero forces"] = f"{zero:.4f} eV/Å, on the frames trained on"
    header = ("way", "frames/s", "times plain", "force MAE after it (eV/Å)")
    return "\n\n".join(
        (
            "# Training speed on forces, E(n)-GNN",
            _measure.markdown_list(facts),
            _measure.markdown_table(header, rows) + "\n",
        )
    )


if __name__ == "__main__":
    main()
