"""What the registry learns about this plugin."""

from __future__ import annotations

from collections.abc import Iterable

from matsciml_core import EncoderCapabilities, EncoderSpec, Reference, hookimpl


@hookimpl
def matsciml_encoders() -> Iterable[EncoderSpec]:
    """Offer NequIP."""
    yield EncoderSpec(
        name="nequip",
        summary="NequIP: scalars, vectors and tensors, on e3nn; packages of nequip are not read.",
        class_path="matsciml_model_nequip.encoder:NequIP",
        config="matsciml_model_nequip.config:NequIPConfig",
        licence="MIT",
        capabilities=EncoderCapabilities(
            symmetry="E(3)",
            supercell=True,
            smooth_cutoff=True,
            tensors=True,
            presets=("default", "small"),
        ),
        training={"optimiser": "muon", "learning_rate": 1e-2},
        references=(
            Reference(
                key="batzner2022nequip",
                authors="Batzner, Simon and Musaelian, Albert and Sun, Lixin and Geiger, Mario "
                "and Mailoa, Jonathan P. and Kornbluth, Mordechai and Molinari, Nicola "
                "and Smidt, Tess E. and Kozinsky, Boris",
                title="E(3)-equivariant graph neural networks for data-efficient and accurate "
                "interatomic potentials",
                venue="Nature Communications 13, 2453",
                year=2022,
                doi="10.1038/s41467-022-29939-5",
            ),
        ),
    )
