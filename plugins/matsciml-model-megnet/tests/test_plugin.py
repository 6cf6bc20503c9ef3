"""What the registry sees."""

import subprocess
import sys

from matsciml_core import build_registry
from matsciml_model_megnet.config import MEGNetConfig
from matsciml_model_megnet.encoder import MEGNet


def test_the_registry_finds_it():
    spec = build_registry().get("encoder", "megnet")
    assert spec.load() is MEGNet
    assert spec.load_config() is MEGNetConfig
    assert spec.capabilities.presets == tuple(MEGNetConfig.presets)
    assert spec.references[0].doi == "10.1021/acs.chemmater.9b01294"


def test_the_spec_costs_no_torch():
    code = "import sys, matsciml_model_megnet.plugin as p; list(p.matsciml_encoders()); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_is_documented():
    assert all(field.description for field in MEGNetConfig.model_fields.values())
