"""The pretrained models, and the authors' own program to compare with."""

from __future__ import annotations

import warnings
from collections import defaultdict
from functools import cache

import numpy as np
import pytest

from matsciml_core import build_registry, load

LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)
"""Number of the last space group of each crystal system, from triclinic to cubic."""


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder of this session, so that weights are converted by the code under test."""
    pytest.importorskip("matsciml_head_forces", reason="a pretrained model has a head of it")
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATSCIML_DATA", str(folder))
        yield folder


@pytest.fixture(scope="session")
def pretrained(data):
    """Return a function: the pretrained model of a name, in float32."""
    return cache(lambda name: load(name, device="cpu"))


@pytest.fixture
def model(pretrained):
    return pretrained("sevennet-0")


@pytest.fixture(scope="session")
def calculator():
    """Return a function: the authors' calculator for ASE, of the package's name for a model."""

    def make(name, level=None):
        with warnings.catch_warnings():
            # Of e3nn and torch.jit, which the package compiles its layers with.
            warnings.simplefilter("ignore")
            from sevenn.calculator import SevenNetCalculator

            return SevenNetCalculator(name, modal=level, device="cpu")

    return make


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
        if np.all((crystal.atomic_numbers < 84) | (crystal.atomic_numbers > 88)):
            number = int(crystal.labels["space_group"])
            systems[int(np.searchsorted(LAST_OF_SYSTEM, number))].append(crystal)
    assert len(systems) == 7

    def choose(number):
        chosen = [
            sorted(found, key=lambda crystal: crystal.num_atoms)[:number]
            for found in systems.values()
        ]
        return [crystal for part in chosen for crystal in part]

    return choose
