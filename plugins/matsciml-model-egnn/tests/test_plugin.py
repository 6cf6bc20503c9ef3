"""What the registry sees."""

import subprocess
import sys

from matsciml_core import build_registry
from matsciml_model_egnn.config import EGNNConfig
from matsciml_model_egnn.encoder import EGNN


def test_the_registry_finds_it():
    spec = build_registry().get("encoder", "egnn")
    assert spec.load() is EGNN
    assert spec.load_config() is EGNNConfig
    assert spec.capabilities.presets == tuple(EGNNConfig.presets)
    assert spec.capabilities.asymmetric_unit
    assert spec.references[0].doi == "10.48550/arXiv.2102.09844"


def test_the_spec_costs_no_torch():
    code = "import sys, matsciml_model_egnn.plugin as p; list(p.matsciml_encoders()); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_is_documented():
    assert all(field.description for field in EGNNConfig.model_fields.values())
