"""What the plugin registers, and that registering costs no torch."""

import subprocess
import sys

from matsciml_core import build_registry


def test_it_registers_two_encoders_and_a_head():
    registry = build_registry()
    for kind, names in (
        ("encoder", ("dimenet++", "cdvae")),
        ("task-head", ("crystal-generation",)),
    ):
        for name in names:
            spec = registry.get(kind, name)
            assert spec.references
            assert spec.load().__name__
            assert list(spec.load_config().presets) == ["small", "published"]


def test_the_plugin_module_needs_no_torch():
    code = (
        "import sys, matsciml_model_cdvae.plugin as p; list(p.matsciml_encoders()); "
        "list(p.matsciml_task_heads()); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
