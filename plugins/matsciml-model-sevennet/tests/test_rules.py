"""What the weights are wrong about is told or rejected, and nothing is left in the process."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, build_registry, load
from matsciml_core.errors import DataError
from matsciml_core.files import hash_of
from matsciml_core.model import foreign
from matsciml_core.testing import transforms
from matsciml_core.testing.crystals import isolated_atom, sodium_chloride, triclinic
from matsciml_model_sevennet import checkpoint, weights


def rattled(element, cell, *, scale=1.0, pbc=True):
    """Return two atoms of an element off their sites in a scaled cell."""
    cell = scale * np.asarray(cell, dtype=float)
    fractions = np.array([[0.02, 0.01, 0.0], [0.51, 0.47, 0.5]])
    return Crystal(
        id="rattled",
        atomic_numbers=[element, element],
        positions=fractions @ cell,
        cell=cell,
        pbc=[pbc, pbc, True],
    )


FILE = "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth"
RIGHT = [[3.0, 0.1, 0.0], [0.0, 3.1, 0.2], [0.1, 0.0, 3.2]]
LEFT = [RIGHT[1], RIGHT[0], RIGHT[2]]


def test_mirror_images_have_different_energies_and_the_record_says_so(model):
    """The weights' own fault, of the size that the limits name; a rotation changes nothing."""
    rotation = transforms.random_rotation(np.random.default_rng(0))
    energies = [
        one["energy"] / 5
        for one in model.predict(
            [transforms.transform(triclinic(), matrix) for matrix in (rotation, -rotation)]
        )
    ]
    (original,) = model.predict(triclinic())
    assert energies[0] == pytest.approx(original["energy"] / 5, abs=2e-6)
    assert 1e-5 < abs(energies[1] - energies[0]) < 5e-3
    registry = build_registry()
    assert registry.get("encoder", "sevennet").capabilities.symmetry == "SE(3)"
    for spec in registry.specs("pretrained"):
        if spec.encoder == "sevennet":
            assert any("symmetric under reflection" in limit for limit in spec.limits)


@pytest.mark.parametrize("cell", [RIGHT, LEFT], ids=["right-handed", "left-handed"])
def test_the_trace_of_the_stress_is_the_derivative_of_the_energy(model, cell):
    model = model.to(precision="float64")
    step = 1e-4
    energies = [
        one["energy"]
        for one in model.predict([rattled(29, cell, scale=1 + side) for side in (step, -step)])
    ]
    (prediction,) = model.predict(rattled(29, cell))
    slope = (energies[0] - energies[1]) / (2 * step) / abs(np.linalg.det(cell))
    assert slope == pytest.approx(np.trace(prediction["stress"]), rel=1e-5)


def test_a_compressed_crystal_has_negative_stress(model):
    (prediction,) = model.predict(rattled(29, RIGHT, scale=0.8))
    assert -10 < np.trace(prediction["stress"]) < -1  # eV/Å³; in GPa or kbar it were -621 or -6213


@pytest.mark.parametrize(
    ("name", "number"),
    [("sevennet-0", 84), ("sevennet-0", 95), ("sevennet-mf-0-r2scan", 70)],
)
def test_elements_without_meaning_are_rejected(pretrained, name, number):
    from matsciml_core.interfaces.elements import symbol

    with pytest.raises(DataError, match=f"contains {symbol(number)}"):
        pretrained(name).predict(rattled(number, RIGHT))


def test_the_elements_are_those_of_the_weights(model):
    registry = build_registry()
    spec = registry.get("pretrained", "sevennet-0")
    assert sorted(checkpoint.read(spec).rows) == [*range(1, 84), *range(89, 95)]
    assert len(model.elements) == 89


def test_an_atom_without_neighbours_is_rejected(model):
    with pytest.raises(DataError, match="without any neighbour"):
        model.predict(isolated_atom(10.0))


def test_a_slab_has_energy_and_forces_but_no_stress(model):
    slab, crystal = model.predict([rattled(29, RIGHT, pbc=False), rattled(29, RIGHT)])
    assert np.isfinite(slab["forces"]).all()
    assert np.isnan(slab["stress"]).all()
    assert abs(slab["energy"] - crystal["energy"]) > 0.1


def test_what_is_predicted_carries_its_level_of_theory(pretrained):
    models = [pretrained(name) for name in ("sevennet-0", "sevennet-mf-0-r2scan")]
    functionals = [model.description["pretrained"]["functional"] for model in models]
    assert functionals[0].startswith("PBE")
    assert functionals[1] == "r2SCAN"
    energies = [model.predict(rattled(83, RIGHT))[0]["energy"] for model in models]
    assert abs(energies[0] - energies[1]) > 50  # eV: never to be mixed


def test_nothing_is_left_in_the_process(data):
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    (prediction,) = load("sevennet-0", device="cpu").predict(sodium_chloride())
    assert torch.equal(torch.rand(3), expected)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            (again,) = load("sevennet-0", device="cpu").predict(sodium_chloride())
    finally:
        torch.set_default_dtype(torch.float32)
    assert again["energy"] == prediction["energy"]
    assert np.array_equal(again["forces"], prediction["forces"])


def test_the_package_is_not_imported():
    for file in Path(weights.__file__).parent.glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        names = {
            name
            for node in ast.walk(tree)
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in getattr(node, "names", ())]
            )
        }
        assert not {name for name in names if name.split(".")[0] == "sevenn"}, file.name


def test_another_file_of_weights_is_refused(data, tmp_path, monkeypatch):
    spec = build_registry().get("pretrained", "sevennet-0")
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(foreign, "find_spec", lambda name: package)
    with pytest.raises(DataError, match="pip install --force-reinstall"):
        checkpoint.read(spec)
    file = tmp_path / "pretrained_potentials" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no weights")
    with pytest.raises(DataError, match="not the file of sevenn"):
        checkpoint.read(spec)


class Calls:
    """Pickled, it asks whoever reads it to call a function."""

    def __reduce__(self):
        return print, ("called",)


def test_nothing_in_a_file_is_called(data, tmp_path, monkeypatch, capsys):
    """Even where the hash would be right."""
    spec = build_registry().get("pretrained", "sevennet-0")
    file = tmp_path / "pretrained_potentials" / FILE
    file.parent.mkdir(parents=True)
    torch.save({"config": Calls()}, file)
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(foreign, "find_spec", lambda name: package)
    with pytest.raises(Exception, match="Unsupported global"):
        checkpoint.read(replace(spec, digest=hash_of(file)))
    assert "called" not in capsys.readouterr().out
