"""The table of "Train on your own files": every command of it is run, on files as it names them."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import ase
import ase.db
import ase.io
import h5py
import numpy as np
import pandas
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from monty.serialization import dumpfn
from pymatgen.core import Lattice, Structure
from pymatgen.core.trajectory import Trajectory

from matsciml_cli.app import execute
from matsciml_core.data.ingestion.conversion import read_manifest
from matsciml_core.data.readers.imported import ImportedDataset
from matsciml_core.registry.folders import dataset_folder
from matsciml_util_sources.fake_source import load_module

for distribution in ("ase", "atompack", "potentials", "pymatgen", "tables", "toolkit"):
    pytest.importorskip(f"matsciml_reader_{distribution}")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "use-your-own-data.md"
ROW = re.compile(r"^\| .*? \| `(data import .*?)` \|", re.MULTILINE)
COMMANDS = [shlex.split(command) for command in ROW.findall(PAGE.read_text("utf-8"))]
COUNT = 12
ASE_DATA = Path(ase.__file__).parent / "test" / "testdata"


def rattled() -> list[ase.Atoms]:
    """Return copper with energies and forces of effective medium theory."""
    frames = []
    for seed in range(COUNT):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    return frames


def salts() -> list[Structure]:
    """Return rock salt of growing lattice constants, two atoms in each cell."""
    corner = np.ones((3, 3)) - np.eye(3)
    return [
        Structure(Lattice(edge / 2 * corner), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        for edge in np.linspace(5.4, 5.9, COUNT)
    ]


def sample(function: str, energy: str = "") -> Callable[[Path], None]:
    """Return what writes as many records as the checks of a reader write few of.

    Args:
        function: What writes the few, without the beginning of its package's name.
        energy: Text that ends with the energy of a record, where it is the same in all of them.
    """
    module, _, name = function.partition(":")

    def write(path: Path) -> None:
        samples = getattr(import_module(f"matsciml_reader_{module}"), name)
        scratch = path.with_name("samples")
        scratch.mkdir()
        write_many = next(filter(None, (item.write_many for item in samples(scratch))))
        shutil.rmtree(scratch)
        write_many(path, COUNT)
        if energy:
            rows = iter(range(COUNT))
            text = path.read_text()
            # The checks repeat one record, from which nothing can be learnt.
            path.write_text(
                re.sub(re.escape(energy), lambda match: f"{match[0]}{next(rows):04d}", text)
            )

    return write


def write_extended_xyz(path: Path) -> None:
    ase.io.write(path, rattled())


def write_folder(path: Path) -> None:
    """Write a folder with CIF and POSCAR files."""
    path.mkdir(exist_ok=True)
    for index, structure in enumerate(salts()):
        name = f"salt-{index}.cif" if index % 2 else f"salt-{index}.vasp"
        structure.to(str(path / name), fmt="cif" if index % 2 else "poscar")


def write_crystals(path: Path) -> None:
    """Write a folder, and the table beside it."""
    write_folder(path)
    rows = "".join(f"salt-{index},{-411 + index}\n" for index in range(COUNT))
    path.with_name("enthalpies.csv").write_text(f"id,enthalpy\n{rows}")


def write_mixture(path: Path) -> None:
    """Write a folder of structures that have their label with them, and of something else."""
    path.mkdir()
    write_extended_xyz(path / "first.extxyz")
    ase.io.write(path / "second.traj", rattled())
    (path / "notes.txt").write_text("as measured\n")


def write_cdvae(path: Path) -> None:
    table = pandas.DataFrame({"material_id": range(COUNT), "heat_all": np.linspace(0, 1, COUNT)})
    table["dir_gap"] = 1.5
    table["cif"] = [structure.to(fmt="cif") for structure in salts()]
    table.to_csv(path)


def write_matbench(path: Path) -> None:
    table = pandas.DataFrame({"structure": [salt.as_dict() for salt in salts()]})
    table["e_form"] = np.linspace(-2, -1, COUNT)
    table.index = [f"mb-mp-e-form-{index:06d}" for index in range(COUNT)]
    table.to_json(path, orient="split")


def write_trajectory(path: Path) -> None:
    properties = [
        {"energy": -27.0 + 0.1 * row, "forces": np.zeros((2, 3)), "stress": np.eye(3)}
        for row in range(COUNT)
    ]
    made = Trajectory.from_structures(salts(), constant_lattice=False, frame_properties=properties)
    dumpfn(made, path)


def write_matpes(path: Path) -> None:
    entries = [
        {
            "matpes_id": f"matpes-{index}",
            "structure": salt.as_dict(),
            "energy": -27.0 + 0.1 * index,
            "forces": np.zeros((len(salt), 3)).tolist(),
            "stress": [1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        }
        for index, salt in enumerate(salts())
    ]
    pandas.DataFrame(entries).to_json(path, orient="records")


def write_colabfit(path: Path) -> None:
    samples = import_module("matsciml_reader_tables.parquet_samples")
    samples.write_colabfit(path, [{"energy": -6.5 - 0.1 * row} for row in range(COUNT)])


def write_database(path: Path) -> None:
    with ase.db.connect(path) as database:
        for atoms in rattled():
            database.write(atoms)


def write_espresso(path: Path) -> None:
    codes = load_module(ROOT / "plugins/matsciml-reader-ase/tests/test_text_codes.py")
    steps = [
        codes.scf(f"!    total energy              =     -2.2{row:04d}") + codes.PW_FORCES
        for row in range(COUNT)
    ]
    path.write_text(codes.PW_START + codes.PW_NEXT.join(steps))


def write_vaspout(path: Path) -> None:
    sample("ase.vasp_samples:vaspout_samples")(path)
    with h5py.File(path, "r+") as file:
        energies = file["intermediate/ion_dynamics/energies"]
        energies[:] += 0.01 * np.arange(COUNT)[:, None]


def write_history(path: Path) -> None:
    import_module("matsciml_reader_ase.abinit_samples").write_history(path, COUNT)


def write_espresso_xml(path: Path) -> None:
    import_module("matsciml_reader_ase.espresso_samples").write_dynamics(path, COUNT)


def write_castep(path: Path) -> None:
    shutil.copy(ASE_DATA / "castep" / "md.castep", path)


def write_castep_steps(path: Path) -> None:
    frames = rattled()
    for atoms in frames:
        atoms.get_stress()
    ase.io.write(path, frames, format="castep-geom")


def write_cp2k_log(path: Path) -> None:
    from matsciml_reader_ase.cp2k_log_samples import cp2k_log_samples

    (item,) = cp2k_log_samples(path.parent)
    assert item.path == path


def write_lammps_dump(path: Path) -> None:
    from matsciml_reader_ase.lammps_samples import NAMED

    frames = [NAMED.replace("TIMESTEP\n0", f"TIMESTEP\n{row}") for row in range(COUNT)]
    path.write_text("".join(frames))
    rows = "".join(f"{row},{-150 + row}\n" for row in range(COUNT))
    path.with_name("thermo.csv").write_text(f"step,energy\n{rows}")


def write_xsf(path: Path) -> None:
    """Write a folder of structures as aenet is trained on them."""
    path.mkdir()
    for index, atoms in enumerate(rattled()):
        file = path / f"{index:02d}.xsf"
        ase.io.write(file, atoms, format="xsf")
        file.write_text(f"# total energy = {-1 - 0.1 * index:.3f} eV\n\n{file.read_text()}")


def write_deepmd(path: Path) -> None:
    from matsciml_reader_potentials.samples import deepmd_samples

    deepmd_samples(path)


def write_phonopy(path: Path) -> None:
    """Write supercells whose energies differ."""
    from matsciml_reader_potentials.phonopy_samples import write_parameters

    write_parameters(path, COUNT)
    rows = iter(range(COUNT))
    path.write_text(
        re.sub(r"energy: -30\.\d\d", lambda match: f"{match[0]}{next(rows):02d}", path.read_text())
    )


def write_toolkit(path: Path) -> None:
    from matsciml_reader_toolkit.samples import write_records

    write_records(
        path,
        (
            {
                "structure": salt.as_dict(),
                "targets": {"regression": {"e_form": -1.5 + 0.01 * index}},
                "target_types": {"regression": ["e_form"]},
            }
            for index, salt in enumerate(salts())
        ),
    )


WRITERS: dict[str, Callable[[Path], None]] = {
    "mine.extxyz": write_extended_xyz,
    "crystals": write_crystals,
    "perov_5.csv": write_cdvae,
    "matbench_mp_e_form.json.gz": write_matbench,
    "trajectory.json": write_trajectory,
    "matpes.json.gz": write_matpes,
    "lemat.parquet": sample("tables.parquet_samples:parquet_samples"),
    "co_0.parquet": write_colabfit,
    "mine.db": write_database,
    "vaspout.h5": write_vaspout,
    "vasprun.xml": sample("ase.vasp_samples:vasprun_samples", """name="e_fr_energy">-6.7"""),
    "relax.pwo": write_espresso,
    "data-file-schema.xml": write_espresso_xml,
    "run_HIST.nc": write_history,
    "md.castep": write_castep,
    "si.geom": write_castep_steps,
    "water-pos-1.xyz": sample("ase.cp2k_samples:cp2k_samples"),
    "si.out": write_cp2k_log,
    "run.lammpstrj": write_lammps_dump,
    "titania": write_xsf,
    "mptrj.atp": sample("atompack.samples:samples"),
    "alexandria.lmdb": write_toolkit,
    "systems": write_deepmd,
    "train.cfg": sample("potentials.samples:mtp_samples", "-6.5"),
    "input.data": sample("potentials.samples:n2p2_samples", "energy -0.25"),
    "ML_AB": sample("potentials.mlab_samples:mlab_samples"),
    "phonopy_params.yaml": write_phonopy,
    "folder": write_mixture,
}
"""What each command reads → what writes it."""


def test_every_command_has_its_files() -> None:
    assert [command[2] for command in COMMANDS] == list(WRITERS)


@pytest.fixture(scope="module", params=COMMANDS, ids=[command[2] for command in COMMANDS])
def imported(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Write the files of a command into a fresh folder, and run it there."""
    folder = tmp_path_factory.mktemp("fresh")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MATSCIML_DATA", str(folder / "data"))
        command = request.param
        WRITERS[command[2]](folder / command[2])
        assert execute([*command, "--name", "mine"]) == 0
        (store,) = dataset_folder("mine").glob("store*")
        manifest = read_manifest(store)
        assert manifest is not None
        yield command, manifest, ImportedDataset(str(dataset_folder("mine")))


def test_the_command_imports_all_records_with_their_labels(imported: Any) -> None:
    command, manifest, dataset = imported
    assert not manifest.rejected or command[2] == "folder"
    assert len(dataset) == manifest.accepted > 0
    declared = {text.partition("=")[0] for option, text in pairwise(command) if option == "--label"}
    assert declared <= dataset.targets.keys()
    assert declared <= {name for index in range(len(dataset)) for name in dataset[index].labels}


@pytest.mark.slow
def test_what_was_imported_is_trained_for_an_epoch_and_predicted(
    imported: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matsciml_model_egnn")
    command, _, dataset = imported
    if len(dataset) < COUNT:
        pytest.skip("the program's own file has too few records for two subsets")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    small = [f"--set=encoder.{field}" for field in ("width=8", "num_layers=1", "cutoff=4")]
    run = ["run", "--dataset", "mine", "--encoder", "egnn", "--epochs", "1", "--output", "trained"]
    assert execute([*run, *small]) == 0
    settings = [word for pair in pairwise(command) if pair[0] == "--set" for word in pair]
    predict = ["predict", "trained/latest", command[2], "--output", "predictions.csv"]
    assert execute([*predict, *settings]) == 0
    table = pandas.read_csv("predictions.csv")
    assert len(table) == len(dataset)
    assert table["note"].isna().all()
    predicted = table.filter(regex=r" \(.*\)$")  # a column per label, named with its unit
    assert not predicted.empty
    assert np.isfinite(predicted.to_numpy()).all()
