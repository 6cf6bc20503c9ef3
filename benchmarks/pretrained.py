"""How fast pretrained potentials are, beside the programs that their authors wrote for them.

Run ``python benchmarks/pretrained.py``; ``--check`` exits with 1 where a bar is missed, ``--output
FILE`` writes the result as Markdown. Everything runs on one core, in turns: crystals of the
Materials Project in batches, and molecular dynamics of 108 atoms of copper, a new geometry each
step. Both compute energy, forces, stress and moments of the crystals, and energy and forces, with
the package's stress and moments, of the steps. That both give the same numbers is a test's matter.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import warnings
from pathlib import Path
from typing import Any

import _measure

CRYSTALS = 32
STEPS = 3
"""Steps of molecular dynamics in one measurement."""
BARS = {"crystals": 2.0, "dynamics": 1.5}
"""How many times faster than the package each must be."""


def main() -> None:
    """Measure, print, and check the bars."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--crystals", type=int, default=CRYSTALS)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="write the result as Markdown")
    options = parser.parse_args()
    _measure.on_one_core()
    timings = {}
    for pair in (crystals(options.crystals), dynamics()):
        timings |= _measure.interleave(pair, options.repeats)
    text, ratios = report(timings, options)
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    missed = [name for name, bar in BARS.items() if ratios[name] < bar]
    if options.check and missed:
        sys.exit(f"missed: {', '.join(missed)}")


def crystals(number: int) -> list[_measure.Task]:
    """Return the batch call of both programs on crystals of the Materials Project."""
    from matsciml_core import build_registry, load
    from matsciml_core.convert import to_pymatgen

    spec = build_registry().get("dataset", "mp")
    config = spec.load_config()
    dataset = spec.load()(None if config is None else config())
    model = load("chgnet", device="cpu")
    step = max(len(dataset) // (2 * number), 1)
    found = (dataset[index] for index in range(0, len(dataset), step))
    chosen = [one for one in found if not model.unseen(one)][:number]
    network = _network()
    structures = [to_pymatgen(one) for one in chosen]

    def theirs() -> None:
        network.predict_structure(structures)

    return [
        _measure.Task("crystals, here", lambda: model.predict(chosen), len(chosen)),
        _measure.Task("crystals, package", theirs, len(chosen)),
    ]


def dynamics() -> list[_measure.Task]:
    """Return the ASE calculator of both programs on copper in motion."""
    from ase.build import bulk
    from chgnet.model import CHGNetCalculator

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

    with contextlib.redirect_stdout(io.StringIO()):
        theirs = CHGNetCalculator(_network(), use_device="cpu")
    return [
        task("dynamics, here", ModelCalculator(load("chgnet", device="cpu"))),
        task("dynamics, package", theirs),
    ]


def report(
    timings: dict[str, _measure.Timing], options: argparse.Namespace
) -> tuple[str, dict[str, float]]:
    """Return the result as Markdown, and how many times faster each was."""
    rows, ratios = [], {}
    for name, bar in BARS.items():
        here, package = timings[f"{name}, here"], timings[f"{name}, package"]
        ratios[name] = _measure.speedup(here, package)
        rates = [f"{one.rate:.2f}" for one in (here, package)]
        rows.append([name, *rates, f"{ratios[name]:.2f}", f"{bar:g}"])
    described = _measure.machine(["torch", "chgnet", "ase", "pymatgen"])
    described["work"] = (
        f"{options.crystals} crystals of mp mini, energy, forces, stress and moments, crystals/s; "
        f"108 atoms of copper, energy and forces, steps/s; medians of {options.repeats} repeats"
    )
    table = _measure.markdown_table(["", "here", "package", "ratio", "bar"], rows)
    text = f"# Speed of pretrained potentials\n\n{_measure.markdown_list(described)}\n\n"
    return f"{text}## CHGNet 0.3.0\n\n{table}\n", ratios


def _network() -> Any:
    """Return the authors' network, which prints when it is built."""
    from chgnet.model import CHGNet

    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        return CHGNet.load(use_device="cpu", verbose=False)


if __name__ == "__main__":
    main()
