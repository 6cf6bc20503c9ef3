"""Write reference.json with numbers of orb-models 0.5.5, from an environment that has it.

python -m venv orb && orb/bin/pip install torch==2.13.0 orb-models==0.5.5
orb/bin/python plugins/matsciml-model-orb/tests/write_reference.py
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from orb_inputs import structures, weights
from orb_models.forcefield.atomic_system import SystemConfig
from orb_models.forcefield.calculator import ORBCalculator
from orb_models.forcefield.pretrained import orb_v3_conservative_architecture

NEIGHBOURS = (20, 120)
CONSTANT = ("bessel", "r_max", "prefactor", "running", "tracked", "bin_edges", "reference")


def main() -> None:
    """Calculate energies, forces and stresses of all structures."""
    shapes, numbers = {}, {}
    for neighbours in NEIGHBOURS:
        model = orb_v3_conservative_architecture(
            latent_dim=8,
            base_mlp_hidden_dim=12,
            head_mlp_hidden_dim=6,
            num_message_passing_steps=2,
            device="cpu",
            system_config=SystemConfig(radius=6.0, max_num_neighbors=neighbours),
        )
        state = model.state_dict()
        shapes = {
            name: list(tensor.shape)
            for name, tensor in state.items()
            if not any(word in name for word in CONSTANT)
        }
        state.update(weights(shapes))
        constants = {name: tensor for name, tensor in state.items() if name not in shapes}
        model.load_state_dict(state)
        model = model.double().eval()
        torch.set_default_dtype(torch.float64)
        numbers[str(neighbours)] = {
            name: results(atoms, ORBCalculator(model, device="cpu", edge_method="knn_scipy"))
            for name, atoms in structures().items()
        }
        torch.set_default_dtype(torch.float32)
    reference = {
        "shapes": shapes,
        "constants": {name: tensor.tolist() for name, tensor in constants.items()},
        "numbers": numbers,
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
    main()
