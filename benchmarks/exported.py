"""How fast exported models are, beside the same models in this project.

Run ``python benchmarks/exported.py``; ``--check`` exits with 1 where a bar is missed, ``--output
FILE`` writes the result as Markdown, ``--only NAME`` chooses. Energy and forces of 108 atoms of
copper and gold off their sites, on one core, in turns, with the same neighbour list for both,
which is not searched anew. The compiled program gives the stress, too; the model here is not asked
for it.
Weights are random: they change no speed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _measure

BAR = 1.5
"""How many times faster than the model here the compiled program must be."""
SUBJECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "egnn, small": (
        "egnn",
        {
            "preset": "forces",
            "cutoff": 4.5,
            "width": 16,
            "num_layers": 2,
            "message_widths": [32, 32],
            "update_widths": [32],
            "projection_widths": [32],
            "position_widths": [16],
        },
    ),
    "cgcnn": ("cgcnn", {}),
}
"""Encoders and their settings."""


@dataclass(frozen=True)
class Measured:
    """A model in numbers."""

    name: str
    edges: int
    seconds: float
    """What tracing and compiling took."""
    error: float
    """Largest difference between the forces, eV/Å."""
    timings: dict[str, _measure.Timing]

    @property
    def ratio(self) -> float:
        """How many times faster the compiled program is."""
        return _measure.speedup(self.timings["compiled"], self.timings["here"])


def main() -> None:
    """Measure, print, and check the bar."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", choices=list(SUBJECTS), help="measure one model")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="write the result as Markdown")
    options = parser.parse_args()
    _measure.on_one_core()
    names = [options.only] if options.only else list(SUBJECTS)
    results: list[Measured] = []
    text = ""
    for name in names:
        results.append(measure(name, options.repeats))
        text = report(results, options.repeats)
        if options.output:  # what is there, should a compiler end the rest
            options.output.write_text(text, encoding="utf-8")
    print(text)
    slow = [result.name for result in results if result.ratio < BAR]
    if options.check and slow:
        sys.exit(f"Below {BAR} times the speed of the model here: {', '.join(slow)}")


def measure(name: str, repeats: int) -> Measured:
    """Export a model of random weights, and time both."""
    import numpy as np
    import torch
    from ase.build import bulk

    from matsciml_core.model.inputs import as_crystal
    from matsciml_tool_export.program import trace
    from matsciml_util_potential.potential import Potential

    model = make_model(*SUBJECTS[name])
    atoms = bulk("Cu", cubic=True, a=3.8) * (3, 3, 3)
    atoms.symbols[::4] = "Au"
    atoms.rattle(0.1, seed=1)
    batch = model.batch([as_crystal(atoms)])
    started = time.perf_counter()
    program = trace(model)
    with tempfile.TemporaryDirectory() as folder:
        path = torch._inductor.aoti_compile_and_package(
            program.graph, package_path=str(Path(folder) / "compiled.pt2")
        )
        run: Callable[..., Sequence[Any]] = torch._inductor.aoti_load_package(path)
    seconds = time.perf_counter() - started
    edges, shifts = batch.edge_index, batch.cell_shift
    inputs = (batch.atomic_numbers, batch.positions, batch.cell[0], edges, shifts)
    potential = Potential(model)
    difference = potential(batch).forces.numpy() - run(*inputs)[1].numpy()
    timings = _measure.interleave(
        [
            _measure.Task("here", lambda: potential(batch), items=1, loops=5),
            _measure.Task("compiled", lambda: run(*inputs), items=1, loops=5),
        ],
        repeats,
    )
    error = float(np.abs(difference).max())
    return Measured(name, batch.num_edges, seconds, error, timings)


def make_model(encoder_name: str, settings: dict[str, Any]) -> Any:
    """Return a model of energies and forces with random weights."""
    import torch

    from matsciml_core import TargetInfo, build_registry
    from matsciml_core.interfaces.strategy import Task
    from matsciml_core.model.components import build_component, build_head
    from matsciml_core.model.trained import TrainedModel

    torch.manual_seed(0)
    registry = build_registry(strict=False)
    encoder = build_component(registry.get("encoder", encoder_name), settings, "encoder")
    labels = [
        TargetInfo(name="energy", kind="energy", unit="eV"),
        TargetInfo(name="forces", kind="forces", unit="eV/Å", per_atom=True),
    ]
    head_name = "energy-forces"
    head = build_head(registry, registry.get("task-head", head_name), labels, encoder, {})
    task = Task(dataset="random", head=head, head_name=head_name)
    return TrainedModel(encoder, [task], {}, Path())


def report(results: Sequence[Measured], repeats: int) -> str:
    """Return the page."""
    facts = _measure.machine(("torch", "ase"))
    facts["work"] = (
        f"energy and forces of 108 atoms, medians of {repeats} repeats; bar: {BAR} times as fast"
    )
    rows = [
        (
            result.name,
            f"{result.edges:,}",
            *(f"{1e3 / result.timings[way].rate:.1f}" for way in ("here", "compiled")),
            f"{result.ratio:.2f}",
            f"{result.error:.1e}",
            f"{result.seconds:.0f}",
        )
        for result in results
    ]
    header = (
        "model",
        "edges",
        "here, ms",
        "compiled, ms",
        "ratio",
        "forces differ, eV/Å",
        "made in, s",
    )
    table = _measure.markdown_table(header, rows)
    return f"# Speed of exported models\n\n{_measure.markdown_list(facts)}\n\n{table}\n"


if __name__ == "__main__":
    main()
