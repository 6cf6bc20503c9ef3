"""A force model of random weights, and copper as effective medium theory has it."""

from __future__ import annotations

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write

from matsciml_cli.app import execute
from matsciml_util_potential.testing.force_models import force_model_writer


@pytest.fixture(scope="module")
def folder(tmp_path_factory, module_plugin_folder):
    return force_model_writer(module_plugin_folder)(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def copper():
    atoms = bulk("Cu", a=3.6)
    atoms.calc = EMT()
    return atoms


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Give a function that runs a command with the model on what lies in the test's folder."""
    monkeypatch.chdir(tmp_path)
    alloy = bulk("Cu", cubic=True, a=3.7)
    alloy.symbols[0] = "Au"
    alloy.rattle(0.02, seed=3)
    write("alloy.extxyz", alloy)
    slab = alloy.copy()
    slab.pbc = (True, True, False)
    write("slab.extxyz", slab)
    write("copper.extxyz", bulk("Cu", a=3.7))
    chain = bulk("Cu", cubic=True, a=3.7) * (2, 1, 1)
    for name, gap in (("a", 0), ("b", 1)):  # an atom less, beside its neighbour
        write(f"hop-{name}.extxyz", chain[[index for index in range(8) if index != gap]])

    def command(name, *arguments):
        capsys.readouterr()
        code = execute([name, str(folder), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command
