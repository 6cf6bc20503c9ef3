"""What the registry sees."""

import subprocess
import sys

import pytest

from matsciml_core import build_registry
from matsciml_core.errors import ConfigError
from matsciml_model_nequip.config import NequIPConfig
from matsciml_model_nequip.encoder import NequIP


def test_the_registry_finds_it():
    spec = build_registry().get("encoder", "nequip")
    assert spec.load() is NequIP
    assert spec.load_config() is NequIPConfig
    assert spec.capabilities.presets == tuple(NequIPConfig.presets)
    assert spec.references[0].doi == "10.1038/s41467-022-29939-5"


def test_the_spec_costs_neither_torch_nor_e3nn():
    code = "import sys, matsciml_model_nequip.plugin as p; list(p.matsciml_encoders()); "
    code += "sys.exit(bool({'torch', 'e3nn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_is_documented():
    assert all(field.description for field in NequIPConfig.model_fields.values())


def test_the_first_preset_is_the_default():
    assert NequIPConfig.from_options({}, where="encoder") == NequIPConfig()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("lmax", 3), ("cutoff", 0.0), ("radial_widths", []), ("average_neighbours", 0.0)],
)
def test_settings_that_make_no_sense_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"encoder.{setting}"):
        NequIPConfig.from_options({setting: value}, where="encoder")


def test_neighbours_are_estimated_from_the_cutoff():
    assert NequIPConfig().neighbours_per_atom == pytest.approx(34.6, abs=0.1)
    assert NequIPConfig(cutoff=10.0).neighbours_per_atom == pytest.approx(8 * 34.56, abs=0.1)
    assert NequIPConfig(average_neighbours=7.0).neighbours_per_atom == 7.0
