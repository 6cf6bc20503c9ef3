"""MACE, which wants e3nn 0.4.4, beside NequIP, which wants 0.6: from one shell, on one dataset.

MACE's package comes from the index. The plugin around it is as small as one can be.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.network]
pytest.importorskip("matsciml_data_mp", reason="trains on crystals of matsciml-data-mp")
pytest.importorskip("matsciml_model_nequip", reason="runs beside matsciml-model-nequip")
pytest.importorskip("matsciml_head_property", reason="learns a number")
pytest.importorskip("matsciml_strategy_single", reason="trains one task")

PLUGIN = """
from matsciml_core import EncoderCapabilities, EncoderSpec, hookimpl

@hookimpl
def matsciml_encoders():
    yield EncoderSpec(
        name="small-mace",
        summary="A small MACE.",
        class_path="matsciml_model_small_mace.encoder:MACE",
        capabilities=EncoderCapabilities(smooth_cutoff=True),
    )
"""
ENCODER = """
import torch
from mace import modules  # first: it changes how torch reads what e3nn 0.4.4 ships
from e3nn import o3
from matsciml_core import Embedding, Encoder, Neighbourhood

class MACE(Encoder):
    def __init__(self, config=None):
        super().__init__(config)
        self.model = modules.ScaleShiftMACE(
            r_max=4.0,
            num_bessel=4,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=118,
            hidden_irreps=o3.Irreps("8x0e"),
            MLP_irreps=o3.Irreps("8x0e"),
            gate=torch.nn.functional.silu,
            atomic_energies=torch.zeros(118),
            avg_num_neighbors=20.0,
            atomic_numbers=list(range(1, 119)),
            correlation=2,
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        )
        self.atom_width = self.crystal_width = 16
        self.neighbours = Neighbourhood(cutoff=4.0)

    def forward(self, batch):
        vectors = batch.edge_vectors()
        sender, receiver = batch.edge_index
        # MACE's edge vector is that from the sender to the receiver, plus the shift.
        shifts = vectors - (batch.positions[receiver] - batch.positions[sender])
        species = torch.nn.functional.one_hot(batch.atomic_numbers - 1, 118)
        data = {
            "positions": batch.positions.clone(),
            "node_attrs": species.to(batch.positions.dtype),
            "edge_index": batch.edge_index,
            "shifts": shifts,
            "unit_shifts": batch.cell_shift.to(batch.positions.dtype),
            "cell": batch.cell.reshape(-1, 3),
            "batch": batch.crystal_index,
            "ptr": torch.nn.functional.pad(batch.atoms_per_crystal.cumsum(0), (1, 0)),
            "head": torch.zeros(len(batch.cell), dtype=torch.int64),
        }
        atoms = self.model(data, training=True, compute_force=False)["node_feats"]
        sums = atoms.new_zeros(len(batch.cell), 16).index_add(0, batch.crystal_index, atoms)
        return Embedding(atoms=atoms, crystals=sums / batch.atoms_per_crystal[:, None])
"""
CIF = """data_NaCl
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na Na 0 0 0
Cl Cl 0.5 0.5 0.5
"""


@pytest.fixture(scope="module")
def matsciml(near, write_wheel):
    """A function that runs the command line, with an environment for MACE made."""
    variables = {name: text for name, text in os.environ.items() if name != "MATSCIML_STRICT"}

    def run(*arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "matsciml_cli", *arguments],
            capture_output=True,
            text=True,
            cwd=near,
            env={**variables, "MATSCIML_DATA": str(near / "data")},
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    wheel = write_wheel(
        near,
        "matsciml-model-small-mace",
        requires=["matsciml>=0.1", "mace-torch==0.3.16"],
        entry="small-mace = matsciml_model_small_mace.plugin",
        modules={
            "matsciml_model_small_mace/__init__.py": "",
            "matsciml_model_small_mace/plugin.py": PLUGIN,
            "matsciml_model_small_mace/encoder.py": ENCODER,
        },
    )
    made = run("env", "create", "mace", str(wheel))
    assert "matsciml-model-nequip needs e3nn<0.7,>=0.6, and 0.4.4 is installed" in made
    assert "e3nn 0.4.4" in made
    return run


@pytest.fixture(scope="module")
def trained(matsciml, near) -> dict[str, Path]:
    """Runs of both, by the name of the encoder."""
    folders = {}
    for encoder in ("small-mace", "nequip"):
        output = near / "runs" / encoder
        components = ("run", "--dataset", "mp", "--encoder", encoder, "--output", str(output))
        size = ("--set", "split.max_train_crystals=64", "--batch-size", "8", "--no-baselines")
        matsciml(*components, *size, "--epochs", "1")
        folders[encoder] = (output / "latest").resolve()
    return folders


def test_each_has_its_own_release(trained):
    runs = {name: json.loads((folder / "run.json").read_text()) for name, folder in trained.items()}
    assert runs["nequip"]["environment"] is None
    there = runs["small-mace"]["environment"]
    assert there["name"] == "mace"
    assert there["versions"]["e3nn"] == "0.4.4" != version("e3nn")
    assert there["versions"]["mace-torch"] == "0.3.16"
    # What both can have is the same release.
    assert runs["nequip"]["versions"] == runs["small-mace"]["versions"]


@pytest.mark.parametrize("encoder", ["small-mace", "nequip"])
def test_a_run_is_resumed_where_it_was_made(matsciml, trained, encoder):
    folder = trained[encoder]
    matsciml("run", "--resume", str(folder), "--epochs", "2")
    run = json.loads((folder / "run.json").read_text())
    assert run["epochs"] == 2
    assert (run["environment"] is None) == (encoder == "nequip")


@pytest.mark.parametrize("encoder", ["small-mace", "nequip"])
def test_predictions(matsciml, trained, near, encoder):
    (near / "salt.cif").write_text(CIF)
    output = near / f"{encoder}.csv"
    matsciml("predict", str(trained[encoder]), str(near / "salt.cif"), "--output", str(output))
    assert len(output.read_text().splitlines()) == 2


def test_mace_passes_the_checks_there(matsciml):
    assert "encoder small-mace: " in matsciml("check", "small-mace", "--quick")
