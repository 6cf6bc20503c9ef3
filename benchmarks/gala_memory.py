"""Peak memory of a training step of GALA against the number of atoms, for several k.

Each point is a process of its own that trains one step on a disordered cell: atoms at random,
0.04 per Å³, at least 1.6 Å apart. Written are a CSV table and a plot, as SVG and PNG.

    python benchmarks/gala_memory.py --output benchmarks/results/gala_memory
    python benchmarks/gala_memory.py --atoms 20 40 --neighbours 8 --preset compact
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import _measure

if TYPE_CHECKING:
    from matsciml_core import Crystal

ATOMS = (25, 50, 100, 200, 400, 800)
NEIGHBOURS = (8, 12, 16)


def peak(atoms: int, neighbours: int, preset: str) -> float:
    """Train one step and return the peak memory of this process, GiB.

    Args:
        atoms: In the cell.
        neighbours: Of each atom, k.
        preset: Of the encoder.
    """
    # Only the processes that measure need these.
    import torch

    from matsciml_core import CrystalBatch
    from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
    from matsciml_model_gala.config import GALAConfig
    from matsciml_model_gala.encoder import GALA

    options = {"preset": preset, "max_neighbours": neighbours}
    encoder = GALA(GALAConfig.from_options(options, where="encoder")).train()
    batch = CrystalBatch.from_crystals([disordered(atoms)])
    batch = attach_neighbours(batch, encoder.neighbours).to(dtype=torch.float32)
    optimiser = torch.optim.AdamW(encoder.parameters())
    encoder(batch).crystals.square().mean().backward()
    optimiser.step()
    return _measure.peak_memory() / 1024


def disordered(atoms: int) -> Crystal:
    """Return a cubic cell with atoms of four species at random."""
    import numpy as np

    from matsciml_core import Crystal

    random = np.random.default_rng(atoms)
    edge = (atoms / 0.04) ** (1 / 3)
    placed = np.empty((0, 3))
    while len(placed) < atoms:
        point = random.uniform(0, edge, 3)
        offset = placed - point
        offset -= edge * np.rint(offset / edge)
        if not len(placed) or np.linalg.norm(offset, axis=1).min() > 1.6:
            placed = np.vstack((placed, point))
    species = random.choice([3, 8, 15, 16], size=atoms)
    return Crystal(
        id=f"random-{atoms}", atomic_numbers=species, positions=placed, cell=edge * np.eye(3)
    )


def measure(
    atoms: Sequence[int], neighbours: Sequence[int], preset: str
) -> list[tuple[int, int, float]]:
    """Return (neighbours, atoms, GiB) for all combinations, each from a process of its own."""
    rows = []
    for k in neighbours:
        for n in atoms:
            command = [sys.executable, __file__, "--one", str(n), str(k), preset]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append((k, n, float(done.stdout.split()[-1])))
            sys.stdout.write(f"k = {k:2d}, {n:4d} atoms: {rows[-1][2]:.2f} GiB\n")
    return rows


def write(rows: Sequence[tuple[int, int, float]], preset: str, output: Path) -> None:
    """Write the table and the plot.

    Args:
        rows: (neighbours, atoms, GiB).
        preset: Of the encoder, for the title.
        output: Path of the files, without their suffix.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    output.parent.mkdir(parents=True, exist_ok=True)
    with output.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("neighbours", "atoms", "peak_memory_GiB"))
        table.writerows((k, n, f"{used:.3f}") for k, n, used in rows)
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for k in sorted({k for k, _, _ in rows}):
        points = [(n, used) for neighbours, n, used in rows if neighbours == k]
        axes.plot(*zip(*points, strict=True), marker="o", label=f"k = {k}")
    axes.set(xlabel="atoms", ylabel="peak memory, GiB", title=f"GALA ({preset}), one training step")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    for suffix in (".svg", ".png"):
        figure.savefig(output.with_suffix(suffix), dpi=150)


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atoms", type=int, nargs="+", default=ATOMS)
    parser.add_argument("--neighbours", type=int, nargs="+", default=NEIGHBOURS)
    parser.add_argument("--preset", default="table8")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/gala_memory"))
    parser.add_argument("--one", nargs=3, metavar=("ATOMS", "NEIGHBOURS", "PRESET"))
    options = parser.parse_args()
    if options.one:
        atoms, neighbours, preset = options.one
        sys.stdout.write(f"{peak(int(atoms), int(neighbours), preset):.4f}\n")
        return
    rows = measure(options.atoms, options.neighbours, options.preset)
    write(rows, options.preset, options.output)


if __name__ == "__main__":
    main()
