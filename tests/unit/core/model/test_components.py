"""Heads are built for the encoder whose embedding they read."""

from __future__ import annotations

import pytest

from matsciml_core import (
    EncoderSpec,
    StrategySpec,
    TargetInfo,
    TaskHeadSpec,
    TensorHead,
    build_registry,
)
from matsciml_core.errors import ConfigError
from matsciml_core.model.components import build_head, component_config
from matsciml_core.testing.examples import ExampleEncoder, ExampleHead, ExampleTensorEncoder

GAP = TargetInfo(name="gap", kind="scalar", unit="eV")
DIPOLE = TargetInfo(name="dipole", kind="tensor", rank=1, unit="e·Å")


class VectorHead(TensorHead):
    """A head that is only built."""

    ranks = (1,)


VectorHead.__abstractmethods__ = frozenset()


class OneHead(TaskHeadSpec):
    """The record of a head whose class is given."""

    def load(self):
        return {"vector": VectorHead, "example": ExampleHead}[self.name]


def spec(name, kind):
    return OneHead(name=name, summary="", class_path="a:B", target_kinds=(kind,))


@pytest.fixture
def registry(plugin_folder):
    plugin_folder.add(
        "matsciml-model-turning",
        """
        from matsciml_core import hookimpl
        from matsciml_core.testing import examples

        @hookimpl
        def matsciml_encoders():
            yield examples.ENCODER
            yield examples.TENSOR_ENCODER
        """,
    )
    return build_registry(path=plugin_folder.search)


def test_a_head_gets_the_widths_of_the_encoder(registry):
    encoder = ExampleEncoder()
    head = build_head(registry, spec("example", "scalar"), [GAP], encoder, {})
    assert (head.atom_width, head.crystal_width) == (encoder.atom_width, encoder.crystal_width)


def test_a_head_for_tensors_gets_those_of_vectors_and_matrices_too(registry):
    encoder = ExampleTensorEncoder()
    head = build_head(registry, spec("vector", "tensor"), [DIPOLE], encoder, {})
    assert isinstance(head, VectorHead)
    assert (head.vector_width, head.matrix_width) == (4, 4)


def test_an_encoder_without_tensors_is_an_error_that_names_others(registry):
    with pytest.raises(ConfigError, match=r"predicts dipole, which turns .*\(example-tensors\)"):
        build_head(registry, spec("vector", "tensor"), [DIPOLE], ExampleEncoder(), {})


def test_a_head_for_tensors_takes_no_other_label(registry):
    with pytest.raises(ConfigError, match="tensors of rank 1, and 'gap' is scalar"):
        build_head(registry, spec("vector", "scalar"), [GAP], ExampleTensorEncoder(), {})


def test_encoders_say_whether_they_have_tensors(registry):
    able = {s.name for s in registry.specs("encoder") if s.capabilities.tensors}
    assert able == {"example-tensors"}
    assert isinstance(registry.get("encoder", "example-tensors"), EncoderSpec)


def test_a_component_without_settings_takes_none() -> None:
    spec = StrategySpec(name="plain", summary="Plain.", class_path="toy.strategy:Plain")
    assert component_config(spec, {}, "strategy") is None
    with pytest.raises(ConfigError, match=r"'plain' has no settings.*strategy\.weight"):
        component_config(spec, {"weight": 2}, "strategy")
