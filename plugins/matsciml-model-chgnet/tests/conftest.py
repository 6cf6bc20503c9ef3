"""The pretrained model, and the authors' own program to compare with."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from matsciml_core import build_registry, load

LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)
"""Number of the last space group of each crystal system, from triclinic to cubic."""


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder of this session, so that weights are converted by the code under test."""
    for package in ("matsciml_head_forces", "matsciml_head_property"):
        pytest.importorskip(package, reason="a pretrained model has heads of these plugins")
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATSCIML_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def models(data):
    """The pretrained models by name, in float32."""
    return {name: load(name, device="cpu") for name in ("chgnet", "chgnet-r2scan")}


@pytest.fixture
def model(models):
    return models["chgnet"]


@pytest.fixture(scope="session")
def package():
    """Load the authors' network by the name that their package has for it."""
    from chgnet.model import CHGNet

    def load_theirs(name):
        return CHGNet.load(model_name=name, use_device="cpu", verbose=False)

    return load_theirs


@pytest.fixture(scope="session")
def mp_crystals():
    """Return a function: the smallest crystals of the Materials Project, equally many per system.

    Of the crystals of each system those with one atom in the cell come first.
    """
    registry = build_registry()
    if not any(spec.name == "mp" for spec in registry.specs("dataset")):
        pytest.skip("matsciml-data-mp is not installed")
    spec = registry.get("dataset", "mp")
    dataset = spec.load()(spec.load_config()())
    systems = defaultdict(list)
    for index in range(0, len(dataset), 5):
        crystal = dataset[index]
        known = np.all((crystal.atomic_numbers < 84) | (crystal.atomic_numbers > 88))
        if known:
            number = int(crystal.labels["space_group"])
            systems[int(np.searchsorted(LAST_OF_SYSTEM, number))].append(crystal)

    def choose(number):
        chosen = [
            sorted(found, key=lambda one: one.num_atoms)[:number] for found in systems.values()
        ]
        return [crystal for part in chosen for crystal in part]

    assert len(systems) == 7
    return choose
