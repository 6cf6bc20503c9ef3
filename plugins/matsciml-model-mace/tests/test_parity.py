"""Converted networks against the calculator of mace-torch 0.3.16, with its own neighbours."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from matsciml_cli.app import execute
from matsciml_core import load
from matsciml_core.errors import DataError
from matsciml_core.testing.crystals import hcp_magnesium, isolated_atom

pytest.importorskip("mace", reason="mace-torch is not installed")
pytest.importorskip("matsciml_head_forces", reason="a converted network has a head of this plugin")
from ase import Atoms
from ase.build import bulk

pytestmark = pytest.mark.filterwarnings("ignore")
CASES = {
    "vectors": {},
    "single precision": {"dtype": torch.float32, "hidden_irreps": "8x0e"},
    "no scale": {"network": "MACE"},
    "three interactions": {"num_interactions": 3, "correlation": 2},
    "one interaction": {"num_interactions": 1, "hidden_irreps": "8x0e"},
    "repulsion and transformed lengths": {"pair_repulsion": True, "distance_transform": "Agnesi"},
    "full coupling": {"use_reduced_cg": False},
    "gaussian": {"radial_type": "gaussian"},
    "heads": {"heads": ("pbe", "r2scan"), "MLP_irreps": "8x0e"},
    "density": {
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "distance_transform": "Soft",
    },
    "tensors": {"hidden_irreps": "6x0e + 6x1o + 6x2e", "max_ell": 3, "radial_MLP": [16]},
}


def structures():
    """Return crystals off their sites, a skewed one, a slab, and one with a left-handed cell."""
    oxide = bulk("MgO", "rocksalt", a=4.2)
    oxide.rattle(0.1, seed=1)
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    salt.rattle(0.1, seed=2)
    left = salt.copy()
    left.set_cell(salt.cell[[1, 0, 2]])
    skewed = Atoms("Na", cell=[[3.0, 0.1, 0.0], [1.2, 3.1, 0.2], [0.1, 1.4, 3.2]], pbc=True)
    slab = oxide.repeat((2, 1, 1))
    slab.pbc = [True, True, False]
    return [oxide, salt, left, skewed, slab]


def converted(file, *options):
    """Convert a file by the command, and return the model."""
    folder = file.with_suffix("")
    assert execute(["convert-mace", str(file), "-o", str(folder), *options]) == 0
    return load(folder, device="cpu")


@pytest.mark.parametrize("case", CASES)
def test_the_same_numbers(write_network, case):
    file = write_network(**CASES[case])
    head = ("--head", "r2scan") if case == "heads" else ()
    model = converted(file, *head)
    from mace.calculators import MACECalculator

    options = {"head": "r2scan"} if head else {}
    calculator = MACECalculator(
        model_paths=str(file), device="cpu", default_dtype=str(model.dtype)[6:], **options
    )
    torch.set_default_dtype(torch.float32)  # which the calculator changes
    for atoms in structures():
        (found,) = model.predict(atoms)
        atoms.calc = calculator
        energy = atoms.get_potential_energy()
        assert found["energy"] / len(atoms) == pytest.approx(energy / len(atoms), abs=1e-5)
        assert found["forces"] == pytest.approx(atoms.get_forces(), abs=1e-4)
        if atoms.pbc.all():
            assert found["stress"] == pytest.approx(atoms.get_stress(voigt=False), abs=1e-5)
        else:
            assert np.isnan(found["stress"]).all()


def test_a_free_atom_has_the_energy_of_the_file_and_other_elements_are_rejected(write_network):
    model = converted(write_network(network="MACE"))
    atom = isolated_atom(10.0)
    (magnesium,) = model.predict(Atoms("Mg"))
    (sodium,) = model.predict(Atoms("Na"))
    # The read-outs of an atom without neighbours differ by the element too, so that only the
    # energies of free atoms are compared with those of the file, by the head that adds them.
    references = model.tasks[0].head.references
    assert references[[8, 11, 12, 17]].tolist() == [-1.0, -2.0, -3.0, -4.0]
    assert magnesium["energy"] != sodium["energy"]
    with pytest.raises(DataError, match="contains"):
        model.predict(atom)


def test_what_is_said_of_the_weights_is_recorded(write_network):
    model = converted(write_network(), "--functional", "PBE", "--licence", "MIT", "--seen", "mp")
    record = model.description["pretrained"]
    assert (record["functional"], record["licence"], record["seen"]) == ("PBE", "MIT", ["mp"])
    assert record["weights"] == "small.model"
    assert record["elements"] == ["O", "Na", "Mg", "Cl"]
    assert "batatia2022mace" in model.description["citations"][0]
    assert list(model.predict(hcp_magnesium())[0].values) == ["energy", "forces", "stress"]


def test_the_process_stays_as_it_was(write_network, monkeypatch):
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", raising=False)
    file = write_network()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    converted(file)
    assert torch.equal(torch.rand(3), expected)
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_loaded_in_any_context_gives_the_same_numbers(write_network, dtype):
    file = write_network(dtype=dtype)
    expected = converted(file).predict(structures())
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            found = load(file.with_suffix(""), device="cpu").predict(structures())
        for one, wanted in zip(found, expected, strict=True):
            assert one["energy"] == pytest.approx(wanted["energy"], abs=1e-6)
            assert one["forces"] == pytest.approx(wanted["forces"], abs=1e-6)
