"""Write reference.json with numbers of mattersim 1.2.3, from an environment that has it.

python -m venv mattersim && mattersim/bin/pip install torch==2.13.0 mattersim==1.2.3
mattersim/bin/python plugins/matsciml-model-mattersim/tests/write_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from mattersim.forcefield.m3gnet.m3gnet import M3Gnet
from mattersim.forcefield.potential import MatterSimCalculator, Potential
from mattersim_inputs import structures, weights

ARGUMENTS = {"num_blocks": 2, "units": 6, "max_l": 4, "max_n": 4, "cutoff": 5.0, "max_z": 94}


def main() -> None:
    """Calculate energies, forces and stresses of all structures."""
    model = M3Gnet(device="cpu", threebody_cutoff=4.0, **ARGUMENTS)
    state = model.state_dict()
    shapes = {
        name: list(tensor.shape)
        for name, tensor in state.items()
        if not name.startswith(("rbf.", "sbf."))
    }
    bases = {name: tensor for name, tensor in state.items() if name not in shapes}
    model.load_state_dict({**bases, **weights(shapes)})
    calculator = MatterSimCalculator(Potential(model.eval(), device="cpu"), device="cpu")
    reference = {
        "shapes": shapes,
        "bases": {name: tensor.tolist() for name, tensor in bases.items()},
        "arguments": model.get_model_args(),
        "numbers": {name: results(atoms, calculator) for name, atoms in structures().items()},
    }
    Path(__file__).with_name("reference.json").write_text(json.dumps(reference, indent=0) + "\n")


def results(atoms, calculator) -> dict[str, object]:
    """Return energy, forces and stress, eV, eV/Å, eV/Å³."""
    atoms.calc = calculator
    found = {"energy": float(atoms.get_potential_energy()), "forces": atoms.get_forces().tolist()}
    if atoms.pbc.all():
        found["stress"] = atoms.get_stress(voigt=False).tolist()
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
