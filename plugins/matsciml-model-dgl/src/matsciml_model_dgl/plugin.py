"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import EncoderCapabilities, EncoderSpec, Reference, hookimpl


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer the message-passing network."""
    yield EncoderSpec(
        name="mpnn-dgl",
        summary="Message-passing network of DGL's layers: NNConv, GRU, Set2Set. On the CPU only.",
        class_path="matsciml_model_dgl.encoder:MPNN",
        config="matsciml_model_dgl.config:MPNNConfig",
        licence="MIT",
        requires=("dgl==1.1.3",),
        requires_note="dgl 1.1.3 has wheels for Python up to 3.11 on Linux and macOS only, and "
        "later releases of dgl load no current torch",
        capabilities=EncoderCapabilities(symmetry="E(3)", neighbours="radius", supercell=True),
        training={"device": "cpu"},
        references=(
            Reference(
                key="gilmer2017mpnn",
                authors="Gilmer, Justin and Schoenholz, Samuel S. and Riley, Patrick F. and "
                "Vinyals, Oriol and Dahl, George E.",
                title="Neural Message Passing for Quantum Chemistry",
                venue="Proceedings of the 34th International Conference on Machine Learning 70, "
                "1263-1272",
                year=2017,
            ),
        ),
    )
