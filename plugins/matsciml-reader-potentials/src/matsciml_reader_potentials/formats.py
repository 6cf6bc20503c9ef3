"""What is read, as records; imported with the plugin, hence light."""

from __future__ import annotations

from matsciml_core import ReaderSpec

_PACKAGE = "matsciml_reader_potentials"
FORMATS = (
    ReaderSpec(
        name="deepmd",
        summary="Systems of DeePMD-kit, NumPy's files, also of mixed types.",
        class_path=f"{_PACKAGE}.deepmd:DeepMDReader",
        config=f"{_PACKAGE}.config:ElementsConfig",
        detect=f"{_PACKAGE}.detection:is_deepmd",
        cartesian=True,
        writer=f"{_PACKAGE}.deepmd_writer:write_crystals",
        output_suffix="-deepmd",
        samples=f"{_PACKAGE}.samples:deepmd_samples",
    ),
    ReaderSpec(
        name="mtp",
        summary="Configurations of MTP (MLIP-2, MLIP-3).",
        class_path=f"{_PACKAGE}.mtp:MTPReader",
        config=f"{_PACKAGE}.config:ElementsConfig",
        suffixes=(".cfg",),
        folder_files=("*.cfg",),
        detect=f"{_PACKAGE}.detection:is_mtp",
        samples=f"{_PACKAGE}.samples:mtp_samples",
    ),
    ReaderSpec(
        name="n2p2",
        summary="input.data of n2p2 and RuNNer.",
        class_path=f"{_PACKAGE}.n2p2:N2P2Reader",
        config=f"{_PACKAGE}.config:UnitsConfig",
        file_names=("input.data*",),
        detect=f"{_PACKAGE}.detection:is_n2p2",
        samples=f"{_PACKAGE}.samples:n2p2_samples",
    ),
)
