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
    ReaderSpec(
        name="ml-ab",
        summary="ML_AB and ML_ABN, training data of VASP's force fields.",
        class_path=f"{_PACKAGE}.mlab:MLABReader",
        file_names=("ML_AB*",),
        folder_files=("ML_ABN",),
        detect=f"{_PACKAGE}.detection:is_mlab",
        samples=f"{_PACKAGE}.mlab_samples:mlab_samples",
    ),
    ReaderSpec(
        name="phonopy",
        summary="Supercells with forces in the YAML of phonopy and phono3py.",
        class_path=f"{_PACKAGE}.phonopy:PhonopyReader",
        suffixes=(".yaml", ".yml"),
        folder_files=("phonopy*_params*.yaml", "phono3py*_params*.yaml"),
        supersedes=("force-sets",),
        detect=f"{_PACKAGE}.detection:is_phonopy",
        streams=False,
        samples=f"{_PACKAGE}.phonopy_samples:yaml_samples",
    ),
    ReaderSpec(
        name="force-sets",
        summary="FORCE_SETS of phonopy, FORCES_FC2 and FORCES_FC3 of phono3py.",
        class_path=f"{_PACKAGE}.phonopy:ForceSetsReader",
        file_names=("FORCE_SETS*", "FORCES_FC2*", "FORCES_FC3*"),
        folder_files=("FORCE_SETS", "FORCES_FC2", "FORCES_FC3"),
        streams=False,
        samples=f"{_PACKAGE}.phonopy_samples:force_sets_samples",
    ),
)
