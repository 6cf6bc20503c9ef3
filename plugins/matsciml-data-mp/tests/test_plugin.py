"""What is registered: a record that is true, light, and complete."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from matsciml_core.errors import ConfigError
from matsciml_data_mp import plugin
from matsciml_data_mp.config import MPConfig, MPFetchConfig
from matsciml_data_mp.dataset import MaterialsProject
from matsciml_data_mp.declaration import declare

(SPEC,) = plugin.matsciml_datasets()


def test_the_registry_finds_it(registry) -> None:
    assert registry.get("dataset", "mp").class_path == "matsciml_data_mp.dataset:MaterialsProject"


def test_class_and_config_load() -> None:
    assert SPEC.load() is MaterialsProject
    assert SPEC.load_config() is MPConfig


def test_the_record_agrees_with_the_store() -> None:
    dataset = MaterialsProject()
    assert SPEC.targets == declare("mini").targets == tuple(dataset.targets.values())
    assert SPEC.size == len(dataset) == 6317
    assert SPEC.licence == dataset.provenance.licence == "CC-BY-4.0"
    assert SPEC.references == dataset.provenance.references == declare("mini").references
    assert dataset.provenance.source in SPEC.source
    assert dataset.provenance.release in SPEC.source


def test_what_it_names_can_be_imported() -> None:
    assert callable(import_named(SPEC.fetch))
    assert SPEC.load_fetch_config() is MPFetchConfig
    assert SPEC.take_inventory() is not None


def test_the_splits_are_those_of_the_default_data() -> None:
    assert tuple(SPEC.splits)[:2] == MaterialsProject().split_names
    assert all(text.endswith(".") for text in (*SPEC.splits.values(), *SPEC.known_problems))
    assert SPEC.extent


def import_named(path: str | None) -> object:
    """Return the function that a record names."""
    assert path is not None
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def test_the_default_target_is_the_formation_energy() -> None:
    assert SPEC.targets[0].name == "formation_energy_per_atom"
    assert SPEC.targets[0].unit == "eV/atom"


def test_the_description_of_the_gaps_says_that_metals_are_missing() -> None:
    (gap,) = (info for info in SPEC.targets if info.name == "band_gap")
    assert "insulators only" in gap.description
    assert "missing, not zero" in gap.description


def test_units_and_kinds() -> None:
    assert {info.name: (info.kind, info.unit) for info in SPEC.targets} == {
        "formation_energy_per_atom": ("scalar", "eV/atom"),
        "energy_above_hull": ("scalar", "eV/atom"),
        "is_stable": ("binary", "class"),
        "band_gap": ("scalar", "eV"),
        "space_group": ("multiclass", "class"),
        "bulk_modulus_vrh": ("scalar", "GPa"),
        "shear_modulus_vrh": ("scalar", "GPa"),
        "poisson_ratio": ("scalar", "dimensionless"),
        "refractive_index": ("scalar", "dimensionless"),
        "dielectric_constant_electronic": ("scalar", "dimensionless"),
        "dielectric_constant_total": ("scalar", "dimensionless"),
        "piezoelectric_modulus": ("scalar", "C/m²"),
        "log_bulk_modulus_vrh": ("scalar", "log10(GPa)"),
        "log_shear_modulus_vrh": ("scalar", "log10(GPa)"),
    }
    assert all(info.description for info in SPEC.targets)


def test_every_source_can_be_cited() -> None:
    assert {reference.doi for reference in SPEC.references} == {
        "10.1063/1.4812323",
        "10.1002/qua.24917",
        "10.1103/PhysRevB.93.115151",
        "10.1038/sdata.2016.134",
        "10.1038/sdata.2015.9",
        "10.1038/sdata.2015.53",
        "10.1016/j.commatsci.2018.05.018",
    }
    entries = [reference.bibtex() for reference in SPEC.references]
    assert len({entry.splitlines()[0] for entry in entries}) == 7
    assert all("author = {" in entry and "journal = {" in entry for entry in entries)


def test_the_plugin_module_imports_no_torch() -> None:
    code = (
        "import sys; from matsciml_data_mp import plugin, config; list(plugin.matsciml_datasets());"
        "print(*sorted({'torch', 'lightning', 'pymatgen', 'lmdb', 'numpy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_the_plugin_module_is_short() -> None:
    assert len(Path(plugin.__file__).read_text(encoding="utf-8").splitlines()) <= 40


class TestConfig:
    def test_defaults(self) -> None:
        config = MPConfig.from_options({}, where="dataset")
        assert (config.release, config.max_atoms) == ("mini", None)

    @pytest.mark.parametrize("value", [0, -3, "many", 2.5])
    def test_max_atoms_is_a_positive_integer(self, value: object) -> None:
        with pytest.raises(ConfigError, match=r"'dataset\.max_atoms' is "):
            MPConfig.from_options({"max_atoms": value}, where="dataset")

    def test_misspelt_keys_get_a_suggestion(self) -> None:
        with pytest.raises(ConfigError, match="Did you mean 'max_atoms'"):
            MPConfig.from_options({"max_atom": 3}, where="dataset")
