"""What is read, as records; imported with the plugin, hence light."""

from __future__ import annotations

from typing import Any

from matsciml_core import ReaderSpec, TargetInfo

_PACKAGE = "matsciml_reader_ase"
QUANTITIES = (
    TargetInfo(name="energy", kind="energy", unit="eV"),
    TargetInfo(name="forces", kind="forces", unit="eV/A"),
    TargetInfo(name="stress", kind="stress", unit="eV/A^3"),
)


def _own(name: str, summary: str, path: str, suffix: str) -> ReaderSpec:
    return ReaderSpec(
        name=name,
        summary=summary,
        class_path=f"{_PACKAGE}.{path}",
        suffixes=(suffix,),
        folder_files=(f"*{suffix}",),
        cartesian=True,
        quantities=QUANTITIES,
        writer=f"{_PACKAGE}.writers:write_{suffix[1:]}",
        samples=f"{_PACKAGE}.samples:{name.replace('-', '_')}_samples",
    )


def _code(name: str, title: str, reader: str, **fields: Any) -> ReaderSpec:
    return ReaderSpec(
        name=name,
        summary=f"Output of {title}.",
        class_path=f"{_PACKAGE}.{reader}",
        streams=False,
        **fields,
    )


FORMATS = (
    _own("traj", "Trajectories of ASE.", "trajectory:TrajectoryReader", ".traj"),
    _own("ase-db", "Databases of ASE in SQLite.", "database:DatabaseReader", ".db"),
    ReaderSpec(
        name="ase-json",
        summary="Databases of ASE in JSON.",
        class_path=f"{_PACKAGE}.database:DatabaseReader",
        suffixes=(".json",),
        detect=f"{_PACKAGE}.detection:is_ase_json",
        cartesian=True,
        streams=False,
        quantities=QUANTITIES,
        samples=f"{_PACKAGE}.samples:ase_json_samples",
    ),
    _own("aselmdb", "Databases of ASE in LMDB.", "lmdb_database:LMDBReader", ".aselmdb"),
)
VASP = (
    ReaderSpec(
        name="vasprun",
        summary="vasprun.xml of VASP, all ionic steps.",
        class_path=f"{_PACKAGE}.vasprun:VasprunReader",
        file_names=("*vasprun*.xml",),
        folder_files=("*vasprun*.xml", "*/vasprun.xml"),
        supersedes=("vaspout", "outcar", "xdatcar", "poscar"),
        detect=f"{_PACKAGE}.detection:is_vasprun",
        samples=f"{_PACKAGE}.vasp_samples:vasprun_samples",
    ),
    ReaderSpec(
        name="vaspout",
        summary="vaspout.h5 of VASP, all ionic steps.",
        class_path=f"{_PACKAGE}.vaspout:VaspoutReader",
        suffixes=(".h5",),
        folder_files=("*vaspout*.h5", "*/vaspout.h5"),
        supersedes=("outcar", "xdatcar", "poscar"),
        samples=f"{_PACKAGE}.vasp_samples:vaspout_samples",
    ),
    ReaderSpec(
        name="outcar",
        summary="OUTCAR of VASP, all ionic steps.",
        class_path=f"{_PACKAGE}.vasp_text:OutcarReader",
        file_names=("OUTCAR*", "*.outcar"),
        folder_files=("OUTCAR*", "*/OUTCAR"),
        supersedes=("xdatcar", "poscar"),
        detect=f"{_PACKAGE}.detection:is_outcar",
        streams=False,
    ),
    ReaderSpec(
        name="xdatcar",
        summary="XDATCAR of VASP, structures alone.",
        class_path=f"{_PACKAGE}.vasp_text:XdatcarReader",
        file_names=("XDATCAR*",),
        folder_files=("XDATCAR*", "*/XDATCAR"),
        supersedes=("poscar",),
        streams=False,
    ),
)
CODES = (
    _code(
        "espresso",
        "Quantum ESPRESSO's pw.x",
        "text_codes:EspressoReader",
        suffixes=(".pwo",),
        detect=f"{_PACKAGE}.detection:is_espresso",
    ),
    ReaderSpec(
        name="espresso-xml",
        summary="data-file-schema.xml of Quantum ESPRESSO's pw.x.",
        class_path=f"{_PACKAGE}.espresso_xml:EspressoXMLReader",
        file_names=("data-file-schema.xml",),
        folder_files=("data-file-schema.xml", "*.save/data-file-schema.xml"),
        detect=f"{_PACKAGE}.detection:is_espresso_xml",
        samples=f"{_PACKAGE}.espresso_samples:xml_samples",
    ),
    _code("aims", "FHI-aims", "text_codes:AimsReader", detect=f"{_PACKAGE}.detection:is_aims"),
    _code("castep", "CASTEP", "text_codes:CastepReader", suffixes=(".castep",)),
    _code(
        "castep-md",
        "CASTEP, steps of dynamics and relaxations, .md and .geom",
        "text_codes:CastepMotionReader",
        folder_files=("*.md", "*.geom"),
        detect=f"{_PACKAGE}.detection:is_castep_motion",
    ),
    _code("abinit", "ABINIT", "abinit:AbinitReader", detect=f"{_PACKAGE}.detection:is_abinit"),
    ReaderSpec(
        name="abinit-netcdf",
        summary="_HIST.nc and _GSR.nc of ABINIT.",
        class_path=f"{_PACKAGE}.abinit_netcdf:AbinitNetCDFReader",
        file_names=("*_HIST.nc", "*_GSR.nc"),
        folder_files=("*_HIST.nc",),  # beside which _GSR.nc has the last step again
        streams=False,
        samples=f"{_PACKAGE}.abinit_samples:netcdf_samples",
    ),
    _code("gpaw", "GPAW", "text_codes:GpawReader", detect=f"{_PACKAGE}.detection:is_gpaw"),
    _code(
        "cp2k-log",
        "CP2K, of single points",
        "cp2k_log:CP2KLogReader",
        detect=f"{_PACKAGE}.detection:is_cp2k_log",
        samples=f"{_PACKAGE}.cp2k_log_samples:cp2k_log_samples",
    ),
    ReaderSpec(
        name="cp2k",
        summary="Trajectories of CP2K, PROJECT-pos-1.xyz with what lies beside it.",
        class_path=f"{_PACKAGE}.cp2k:CP2KReader",
        config=f"{_PACKAGE}.config:CP2KConfig",
        file_names=("*-pos-[0-9].xyz", "*-frc-[0-9].xyz", "*-vel-[0-9].xyz"),
        folder_files=("*-pos-[0-9].xyz", "*-frc-[0-9].xyz", "*-vel-[0-9].xyz"),
        cartesian=True,
        samples=f"{_PACKAGE}.cp2k_samples:cp2k_samples",
    ),
)
OTHERS = (
    ReaderSpec(
        name="xsf",
        summary="XSF of XCrySDen and aenet.",
        class_path=f"{_PACKAGE}.xsf:XSFReader",
        suffixes=(".xsf", ".axsf"),
        folder_files=("*.xsf", "*.axsf"),
        streams=False,
    ),
    ReaderSpec(
        name="lammps-dump",
        summary="Dumps of LAMMPS, atom and custom.",
        class_path=f"{_PACKAGE}.lammps_dump:LammpsDumpReader",
        config=f"{_PACKAGE}.config:LammpsConfig",
        suffixes=(".lammpstrj",),
        folder_files=("*.lammpstrj",),
        detect=f"{_PACKAGE}.detection:is_lammps_dump",
        samples=f"{_PACKAGE}.lammps_samples:lammps_dump_samples",
    ),
)
