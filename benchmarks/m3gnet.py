"""How fast MatterSim's network is, beside the program that its authors wrote for it.

Run ``python benchmarks/m3gnet.py`` in an environment that has mattersim, too, which this project
does not need: ``pip install mattersim==1.2.3``. ``--output FILE`` writes the result as Markdown.
Weights are not on PyPI; the time does not depend on them, and a new network of the size of
``mattersim-v1.0.0-1M`` is saved by the package and converted. Everything runs on one core, in
turns: a new geometry each step, energy and forces, with and without stress. How far the energies
are apart is printed, too.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path
from typing import Any

import _measure

STEPS = 3
"""Steps in one measurement."""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the result as Markdown")
    options = parser.parse_args()
    _measure.on_one_core()
    warnings.simplefilter("ignore")  # of the package, about torch
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = new_network(Path(folder))
        for name, atoms in crystals().items():
            for stress in (False, True):
                both = calculators(file, stress=stress)
                tasks = [
                    _measure.Task(who, steps(atoms, one, stress=stress), STEPS)
                    for who, one in both.items()
                ]
                timings = _measure.interleave(tasks, options.repeats)
                here, package = timings["here"], timings["package"]
                rows.append(
                    [
                        name,
                        "energy, forces, stress" if stress else "energy, forces",
                        f"{here.rate:.2f}",
                        f"{package.rate:.2f}",
                        f"{_measure.speedup(here, package):.2f}",
                        f"{difference(atoms, both):.0e}",
                    ]
                )
    described = _measure.machine(["torch", "mattersim", "ase"])
    described["work"] = f"steps/s, medians of {options.repeats} repeats of {STEPS} steps"
    header = ["", "asked for", "here", "package", "ratio", "difference (eV/atom)"]
    text = (
        f"# Speed of MatterSim's network\n\n{_measure.markdown_list(described)}\n\n"
        f"{_measure.markdown_table(header, rows)}\n"
    )
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")


def crystals() -> dict[str, Any]:
    """Return crystals off their sites, by name."""
    from ase.build import bulk

    found = {
        "MgO, 64 atoms": bulk("MgO", "rocksalt", a=4.21, cubic=True).repeat(2),
        "Si, 64 atoms": bulk("Si", "diamond", a=5.43, cubic=True).repeat(2),
        "Cu, 108 atoms": bulk("Cu", cubic=True).repeat(3),
    }
    for atoms in found.values():
        atoms.rattle(0.05, seed=0)
    return found


def new_network(folder: Path) -> Path:
    """Return a file of the package, with random weights."""
    import torch
    from mattersim.forcefield.m3gnet.m3gnet import M3Gnet
    from mattersim.forcefield.potential import Potential

    torch.manual_seed(0)
    network = M3Gnet(num_blocks=3, units=128, cutoff=5.0, threebody_cutoff=4.0, device="cpu")
    Potential(network, device="cpu").save(str(folder / "network.pth"))
    return folder / "network.pth"


def calculators(file: Path, *, stress: bool) -> dict[str, Any]:
    """Return the calculators of both programs, by who made them."""
    from mattersim.forcefield.potential import MatterSimCalculator

    from matsciml_core import build_registry, load
    from matsciml_core.model.foreign import Provenance
    from matsciml_model_mattersim.conversion import convert
    from matsciml_util_potential.calculator import ModelCalculator

    folder = file.with_suffix("")
    convert(file, folder, Provenance(name="network"), build_registry())
    package = MatterSimCalculator.from_checkpoint(str(file), device="cpu")
    package.compute_stress = stress
    return {"here": ModelCalculator(load(folder, device="cpu"), stress=stress), "package": package}


def steps(atoms: Any, calculator: Any, *, stress: bool) -> Any:
    """Return a call that moves atoms and asks a calculator for forces and, if wanted, stress."""
    moving = atoms.copy()
    moving.calc = calculator

    def move() -> None:
        for seed in range(STEPS):
            moving.rattle(0.001, seed=seed)
            moving.get_forces()
            if stress:
                moving.get_stress()

    return move


def difference(atoms: Any, both: dict[str, Any]) -> float:
    """Return how far the energies of both programs are apart, eV/atom."""
    energies = []
    for calculator in both.values():
        one = atoms.copy()
        one.calc = calculator
        energies.append(float(one.get_potential_energy()))
    return abs(energies[0] - energies[1]) / len(atoms)


if __name__ == "__main__":
    main()
