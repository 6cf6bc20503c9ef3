"""What the registry learns."""

import subprocess
import sys

from matsciml_core import build_registry
from matsciml_model_gala.config import GALAConfig
from matsciml_model_gala.encoder import GALA


def test_the_registry_finds_it():
    spec = build_registry().get("encoder", "gala")
    assert spec.load() is GALA
    assert spec.load_config() is GALAConfig
    assert spec.capabilities.presets == tuple(GALAConfig.presets)
    assert spec.references[0].doi == "10.48550/arXiv.2110.02393"


def test_the_spec_costs_no_torch():
    code = "import sys, matsciml_model_gala.plugin as p; list(p.matsciml_encoders()); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_setting_is_documented():
    assert all(field.description for field in GALAConfig.model_fields.values())
