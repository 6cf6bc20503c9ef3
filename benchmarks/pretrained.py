"""How fast pretrained potentials are, beside the programs that their authors wrote for them.

Run ``python benchmarks/pretrained.py``; ``--check`` exits with 1 where a bar is missed, ``--output
FILE`` writes the result as Markdown. Everything runs on one core, in turns: crystals of the
Materials Project in batches, and molecular dynamics of 108 atoms of copper, a new geometry each
step. Both programs compute energy, forces and stress of the crystals, CHGNet moments too, and
energy and forces, with what the package adds to them, of the steps. That both give the same
numbers is a test's matter.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _measure

CRYSTALS = 32
STEPS = 3
"""Steps of molecular dynamics in one measurement."""


@dataclass(frozen=True)
class Subject:
    """A pretrained model, and the program of its authors."""

    name: str
    """Of the model."""
    package: str
    """Its distribution."""
    calculator: Callable[[], Any]
    """Makes the package's calculator for ASE."""
    batch_call: Callable[[Sequence[Any]], Callable[[], None]]
    """Makes, of crystals, a call that predicts them together by the package."""
    bars: tuple[float, float]
    """How many times faster than the package crystals and dynamics must be."""


def main() -> None:
    """Measure, print, and check the bars."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--crystals", type=int, default=CRYSTALS)
    parser.add_argument("--only", choices=[one.name for one in SUBJECTS], help="measure one model")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="write the result as Markdown")
    options = parser.parse_args()
    _measure.on_one_core()
    warnings.simplefilter("ignore")  # of the packages, about torch and about themselves
    sections, missed = [], []
    for subject in SUBJECTS:
        if options.only in (None, subject.name):
            timings = {}
            for pair in (crystals(subject, options.crystals), dynamics(subject)):
                timings |= _measure.interleave(pair, options.repeats)
            table, ratios = rows_of(timings, subject.bars)
            sections.append(f"## {subject.name}\n\n{table}\n")
            missed += [
                f"{subject.name}, {name}"
                for (name, ratio), bar in zip(ratios.items(), subject.bars, strict=True)
                if ratio < bar
            ]
    text = "\n".join([heading(options), *sections])
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    if options.check and missed:
        sys.exit(f"missed: {'; '.join(missed)}")


def crystals(subject: Subject, number: int) -> list[_measure.Task]:
    """Return the batch call of both programs on crystals of the Materials Project."""
    from matsciml_core import build_registry, load

    spec = build_registry().get("dataset", "mp")
    config = spec.load_config()
    dataset = spec.load()(None if config is None else config())
    model = load(subject.name, device="cpu")
    step = max(len(dataset) // (2 * number), 1)
    found = (dataset[index] for index in range(0, len(dataset), step))
    chosen = [one for one in found if not model.unseen(one)][:number]
    return [
        _measure.Task("crystals, here", lambda: model.predict(chosen), len(chosen)),
        _measure.Task("crystals, package", subject.batch_call(chosen), len(chosen)),
    ]


def dynamics(subject: Subject) -> list[_measure.Task]:
    """Return the ASE calculator of both programs on copper in motion."""
    from ase.build import bulk

    from matsciml_core import load
    from matsciml_util_potential.calculator import ModelCalculator

    start: Any = bulk("Cu", cubic=True).repeat(3)
    start.rattle(0.05, seed=0)

    def task(name: str, calculator: Any) -> _measure.Task:
        atoms = start.copy()
        atoms.calc = calculator

        def move() -> None:
            for seed in range(STEPS):
                atoms.rattle(0.001, seed=seed)
                atoms.get_forces()

        return _measure.Task(name, move, STEPS)

    return [
        task("dynamics, here", ModelCalculator(load(subject.name, device="cpu"))),
        task("dynamics, package", subject.calculator()),
    ]


def rows_of(
    timings: dict[str, _measure.Timing], bars: tuple[float, float]
) -> tuple[str, dict[str, float]]:
    """Return the table of one model, and how many times faster each was."""
    rows, ratios = [], {}
    for name, bar in zip(("crystals", "dynamics"), bars, strict=True):
        here, package = timings[f"{name}, here"], timings[f"{name}, package"]
        ratios[name] = _measure.speedup(here, package)
        rates = [f"{one.rate:.2f}" for one in (here, package)]
        rows.append([name, *rates, f"{ratios[name]:.2f}", f"{bar:g}"])
    return _measure.markdown_table(["", "here", "package", "ratio", "bar"], rows), ratios


def heading(options: argparse.Namespace) -> str:
    """Return the title, and what was measured where."""
    packages = dict.fromkeys(["torch", *(one.package for one in SUBJECTS), "ase", "pymatgen"])
    described = _measure.machine(list(packages))
    described["work"] = (
        f"{options.crystals} crystals of mp mini, energy, forces, stress and what else a model "
        "has, crystals/s; 108 atoms of copper, energy and forces, steps/s; medians of "
        f"{options.repeats} repeats"
    )
    return f"# Speed of pretrained potentials\n\n{_measure.markdown_list(described)}\n"


def chgnet_calculator() -> Any:
    """Return the calculator of chgnet, which prints when it is built."""
    from chgnet.model import CHGNet, CHGNetCalculator

    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNetCalculator(CHGNet.load(use_device="cpu", verbose=False), use_device="cpu")


def chgnet_batch(chosen: Sequence[Any]) -> Callable[[], None]:
    """Return ``predict_structure`` of all crystals."""
    from matsciml_core.convert import to_pymatgen

    network = chgnet_calculator().model
    structures = [to_pymatgen(one) for one in chosen]

    def call() -> None:
        network.predict_structure(structures)

    return call


def sevennet_calculator() -> Any:
    """Return the calculator of sevenn."""
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator("7net-0", device="cpu")


def sevennet_batch(chosen: Sequence[Any]) -> Callable[[], None]:
    """Return the network on all crystals in batches of 16, with their graphs, as in sevenn."""
    from sevenn.atom_graph_data import AtomGraphData
    from sevenn.train.dataload import unlabeled_atoms_to_graph
    from torch_geometric.data import Batch

    from matsciml_core.convert import to_ase

    network = sevennet_calculator().model
    network.set_is_batch_data(True)
    several = [to_ase(one) for one in chosen]

    def call() -> None:
        for first in range(0, len(several), 16):  # what predict_structure takes by default
            graphs = [
                AtomGraphData.from_numpy_dict(unlabeled_atoms_to_graph(atoms, network.cutoff))
                for atoms in several[first : first + 16]
            ]
            network(Batch.from_data_list(graphs))

    return call


SUBJECTS = (
    Subject("chgnet", "chgnet", chgnet_calculator, chgnet_batch, (2.0, 1.5)),
    Subject("sevennet-0", "sevenn", sevennet_calculator, sevennet_batch, (2.0, 1.5)),
)

if __name__ == "__main__":
    main()
