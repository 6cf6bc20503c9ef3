"""Models and plugins that tests write."""

from __future__ import annotations

import sys

import pytest
import torch

from matsciml_core import TargetInfo, build_registry, load
from matsciml_core.errors import RegistryError
from matsciml_core.testing.crystals import all_crystals
from matsciml_core.testing.plugin_folder import importable_plugins

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")


class TestWriteModel:
    def test_writes_what_can_be_loaded(self, plugin_folder, write_model, tmp_path):
        plugin_folder.add_examples()
        folder = write_model(
            tmp_path / "model",
            [GAP],
            settings={"width": 4},
            constants={"mean": 2.0},
            elements=["Na", "Cl"],
        )
        model = load(folder, device="cpu")
        assert model.elements == ("Na", "Cl")
        assert model.encoder.config.width == 4
        assert model.tasks[0].head.mean.tolist() == [2.0]
        assert len(list(model.stream(all_crystals()))) == len(all_crystals())

    def test_writes_the_same_model_every_time(self, plugin_folder, write_model, tmp_path):
        plugin_folder.add_examples()
        files = []
        for seed in (3, 4):
            torch.manual_seed(seed)
            folder = write_model(tmp_path / str(seed), [GAP])
            files.append((folder / "model.safetensors").read_bytes())
        assert files[0] == files[1]

    def test_keeps_the_random_numbers_of_the_test(self, write_model, tmp_path):
        torch.manual_seed(3)
        expected = torch.rand(2)
        torch.manual_seed(3)
        write_model(tmp_path / "model", [GAP])
        assert torch.equal(torch.rand(2), expected)

    def test_writes_the_precision_asked_for(self, plugin_folder, write_model, tmp_path):
        plugin_folder.add_examples()
        for precision in (torch.float32, torch.float64):
            folder = write_model(tmp_path / str(precision), [GAP], precision=precision)
            assert load(folder, device="cpu").dtype == precision


class TestImportablePlugins:
    def test_are_installed_within_the_block(self, tmp_path):
        with importable_plugins(tmp_path / "plugins") as folder:
            package = folder.add_examples()
            for kind in ("dataset", "encoder", "task-head", "strategy"):
                assert build_registry().get(kind, "example").name == "example"
            assert f"{package}.plugin" in sys.modules
        assert package not in sys.modules
        with pytest.raises(RegistryError):
            build_registry().get("encoder", "example")

    def test_serve_a_whole_module(self, module_plugin_folder):
        module_plugin_folder.add_examples()
        registry = build_registry(path=module_plugin_folder.search)
        assert registry.get("encoder", "example").name == "example"
