"""Models that come trained: found by name, converted once, and held to what they are good for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from matsciml_core import Crystal, build_registry, load
from matsciml_core.errors import ConfigError, DataError, PluginLoadError, UnknownNameError
from matsciml_core.model.adoption import adopt_encoder
from matsciml_core.model.location import DESCRIPTION, TENSORS
from matsciml_core.model.pretrained import locate_model
from matsciml_core.testing.crystals import sodium_chloride

WEIGHTS = """
import torch

from matsciml_core import TargetInfo, Task
from matsciml_core.testing.examples import ExampleEncoder, ExampleHead

CALLS = []


def build(spec, registry):
    CALLS.append(spec.name)
    torch.manual_seed(5)
    torch.set_default_dtype(torch.float64)  # what a package may do to its host
    encoder = ExampleEncoder().to(torch.float32)
    gap = TargetInfo(name="gap", kind="scalar", unit="eV")
    head = ExampleHead([gap], encoder.atom_width, encoder.crystal_width).to(torch.float32)
    return encoder, [Task(dataset="oxides", head_name="example", head=head)]
"""
PLUGIN = """
from matsciml_core import PretrainedSpec, Reference, hookimpl


@hookimpl
def matsciml_pretrained():
    yield PretrainedSpec(
        name="ready",
        summary="A model for salts.",
        class_path="{package}.weights:build",
        encoder="example",
        digest="0123456789abcdef",
        functional="PBE",
        trained_on="Salts.",
        seen=("salts",),
        elements=("Na", "Cl"),
        references=(
            Reference(key="a2020", authors="A, B", title="On salt", venue="J. Salt", year=2020),
        ),
    )
    yield PretrainedSpec(
        name="blocked",
        summary="Needs what is not there.",
        class_path="{package}.weights:build",
        encoder="example",
        requires=("no-such-distribution",),
    )
"""


@pytest.fixture
def package(plugin_folder):
    plugin_folder.add_examples()
    return plugin_folder.add("matsciml-model-ready", PLUGIN, modules={"weights": WEIGHTS})


@pytest.fixture
def registry(package, plugin_folder):
    return build_registry(path=plugin_folder.search)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder with a data folder of its own."""
    monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "data"))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)


def calls(package):
    import importlib

    return importlib.import_module(f"{package}.weights").CALLS


class TestNames:
    def test_lead_to_a_model_like_any_other(self, registry, tmp_path):
        model = load("ready", registry=registry, device="cpu")
        (prediction,) = model.predict(sodium_chloride())
        assert prediction.units == {"gap": "eV"}
        assert model.folder == tmp_path / "data" / "pretrained" / "ready-0.1.0-0123456789ab"

    def test_are_converted_once(self, registry, package):
        first = load("ready", registry=registry, device="cpu")
        again = load("ready", registry=registry, device="cpu")
        assert calls(package) == ["ready"]
        assert first.fingerprint == again.fingerprint

    @pytest.mark.parametrize("file", [TENSORS, DESCRIPTION])
    def test_whose_files_are_damaged_are_converted_again(self, registry, package, file):
        folder = load("ready", registry=registry, device="cpu").folder
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole[: len(whole) // 2])
        load("ready", registry=registry, device="cpu")
        assert calls(package) == ["ready", "ready"]
        assert (folder / file).read_bytes() == whole

    def test_come_after_a_folder_which_is_said(self, registry, make_model, package):
        folder = make_model(elements=("Fe",))
        folder.rename(Path.cwd() / "ready")
        with pytest.warns(UserWarning, match="the folder is used"):
            model = load("ready", registry=registry, device="cpu")
        assert model.elements == ("Fe",)
        assert calls(package) == []

    def test_are_listed_where_nothing_is_found(self, registry):
        with pytest.raises(ConfigError, match=r"does not exist.*Pretrained models: blocked, ready"):
            locate_model("raedy", registry)

    def test_that_are_misspelt_or_those_of_encoders_lead_to_the_right_one(self, registry):
        with pytest.raises(ConfigError, match="Did you mean 'ready'"):
            locate_model("redy", registry)
        with pytest.raises(ConfigError, match=r"'example' is an encoder; pretrained .*: .*ready"):
            locate_model("example", registry)

    def test_of_plugins_that_are_not_installed_say_what_to_install(self, registry, monkeypatch):
        from matsciml_core.registry import known_plugins

        known = known_plugins.KnownComponent(
            kind="pretrained", name="famous", summary="x", distribution="matsciml-model-famous"
        )
        monkeypatch.setattr(known_plugins, "known_components", lambda kind=None: [known])
        with pytest.raises(UnknownNameError, match="pip install matsciml-model-famous"):
            locate_model("famous", registry)

    def test_that_miss_a_requirement_say_which(self, registry):
        with pytest.raises(PluginLoadError, match="no-such-distribution"):
            locate_model("blocked", registry)

    def test_need_a_folder_that_can_be_written(self, registry, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("MATSCIML_DATA", str(tmp_path / "file" / "below"))
        with pytest.raises(ConfigError, match="MATSCIML_DATA"):
            load("ready", registry=registry, device="cpu")


class TestRecord:
    def test_is_kept_beside_the_weights(self, registry):
        description = load("ready", registry=registry, device="cpu").description
        record = description["pretrained"]
        assert (record["name"], record["functional"]) == ("ready", "PBE")
        assert record["distribution"] == "matsciml-model-ready 0.1.0"
        assert record["seen"] == ["salts"]
        assert "a2020" in description["citations"][0]


class TestHostState:
    def test_random_numbers_and_default_type_stay_as_they_were(self, registry):
        torch.manual_seed(3)
        expected = torch.rand(4)
        for _ in range(2):  # converting, and loading what was converted
            torch.manual_seed(3)
            load("ready", registry=registry, device="cpu")
            assert torch.equal(torch.rand(4), expected)
        assert torch.get_default_dtype() == torch.float32

    def test_does_not_reach_the_model(self, registry):
        reference = load("ready", registry=registry, device="cpu")
        torch.set_default_dtype(torch.float64)
        try:
            with torch.inference_mode():
                model = load("ready", registry=registry, device="cpu")
            (found,) = model.predict(sodium_chloride())
        finally:
            torch.set_default_dtype(torch.float32)
        assert model.dtype == torch.float32
        (expected,) = reference.predict(sodium_chloride())
        assert found["gap"] == expected["gap"]


class TestLimits:
    def test_foreign_elements_are_rejected_by_name(self, registry):
        crystal = sodium_chloride()
        numbers = np.where(crystal.atomic_numbers == 17, 84, crystal.atomic_numbers)
        foreign = Crystal(
            id="NaPo", atomic_numbers=numbers, positions=crystal.positions, cell=crystal.cell
        )
        model = load("ready", registry=registry, device="cpu")
        with pytest.raises(DataError, match=r"'NaPo' contains Po.*'ready'"):
            model.predict([crystal, foreign])

    def test_atoms_without_a_neighbour_are_rejected(self, registry):
        lonely = Crystal(
            id="far", atomic_numbers=[11], positions=[[0.0, 0.0, 0.0]], cell=np.eye(3) * 40
        )
        with pytest.raises(DataError, match="'far' has an atom without any neighbour"):
            load("ready", registry=registry, device="cpu").predict([sodium_chloride(), lonely])

    def test_atoms_at_one_place_are_named(self, registry):
        double = Crystal(
            id="twice",
            atomic_numbers=[11, 17, 11],
            positions=[[0.1, 0, 0], [2.8, 0, 0], [0.1, 5.6, 0]],
            cell=np.eye(3) * 5.6,
        )
        model = load("ready", registry=registry, device="cpu")
        with pytest.raises(DataError, match="Atoms 0 and 2 of 'twice', counted from 0, are at one"):
            model.predict([sodium_chloride(), double])


class TestAdoption:
    def test_takes_the_encoder_of_a_pretrained_model(self, registry):
        adopted = adopt_encoder({"init": {"model": "ready"}}, registry)
        assert adopted["encoder"]["name"] == "example"
        assert Path(adopted["init"]["model"]).is_absolute()

    def test_refuses_another_encoder(self, registry):
        with pytest.raises(ConfigError, match="has the encoder 'example'"):
            adopt_encoder({"init": {"model": "ready"}, "encoder": "other"}, registry)

    def test_takes_the_settings_of_the_head_for_its_labels(self, registry):
        adopted = adopt_encoder({"init": {"model": "ready"}, "targets": ["mine/gap"]}, registry)
        assert adopted["head"] == {}
        several = {"init": {"model": "ready"}, "targets": ["gap", "other"]}
        assert "head" not in adopt_encoder(several, registry)
        anew = {"init": {"model": "ready", "heads": "new"}, "targets": "gap"}
        assert "head" not in adopt_encoder(anew, registry)
