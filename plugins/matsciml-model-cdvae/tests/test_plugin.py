"""What the plugin registers, and that registering costs no torch."""

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
