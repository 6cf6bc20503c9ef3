"""A fake of the files of Open Catalyst 2020, in the published formats, some systems each.

Slabs are made with ASE; energies are those of springs between atoms and where they would rest, so
that forces are exact derivatives. Two habits of the real files are kept: total energies are
hundreds of eV, and atoms that are held in place feel forces all the same.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import lzma
import pickle
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import lmdb
import numpy as np
import torch
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import write

from matsciml_util_sources.fake_server import FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample

HOST = "dl.fbaipublicfiles.com"
FOLDER = "/opencatalystproject/data"
ARCHIVE = "is2res_train_val_test_lmdbs.tar.gz"
TOTAL = -180.25
"""Energy of slab and gases of the first system, eV; that of number n is n eV lower."""
BY_HAND = 1000
"""Number of that system."""
SPRING = 2.0
"""eV/Å²."""
FORCE_ON_FIXED = (3.0, -5.0, 7.0)
"""eV/Å."""


@dataclass(frozen=True)
class System:
    """An adsorbate on a slab, at rest."""

    number: int
    atoms: Atoms
    adsorption: float
    """Adsorption energy at rest, eV."""

    @property
    def name(self) -> str:
        """What the published lists call it."""
        return f"random{self.number}"

    @property
    def reference(self) -> float:
        """Energy of slab and gases, eV."""
        return TOTAL - (self.number - BY_HAND)

    def frame(self, step: int) -> Atoms:
        """Return the system some steps away from rest, with the results of a calculation."""
        moved = self.atoms.copy()
        free = moved.get_tags() > 0
        random = np.random.default_rng([self.number, step])
        # Eight decimals, as the file has them.
        far = 0.0 if self.number == BY_HAND and not step else 0.1  # Å
        shift = np.round(far * random.normal(size=(len(moved), 3)), 8)
        shift[~free] = 0.0
        moved.positions += shift
        forces = -SPRING * shift
        forces[~free] = FORCE_ON_FIXED
        energy = self.reference + self.adsorption + 0.5 * SPRING * float((shift**2).sum())
        moved.calc = SinglePointCalculator(
            moved, energy=energy, free_energy=energy - 0.001, forces=forces
        )
        return moved


def by_hand() -> System:
    """Return the system that the samples are taken from, in numbers that anyone can check."""
    atoms = Atoms(
        "Cu4O",
        [[0, 0, 6], [2.5, 0, 6], [0, 2.5, 8], [2.5, 2.5, 8], [1.25, 1.25, 9.5]],
        cell=[[5, 0, 0], [0, 5, 0], [0, 0, 20]],
        pbc=True,
        tags=[0, 0, 1, 1, 2],
    )
    atoms.set_constraint(FixAtoms([0, 1]))
    return System(BY_HAND, atoms, -1.25)


def slab(number: int) -> System:
    """Return an adsorbate on a close-packed slab of three layers, the lower ones held in place."""
    metal = ("Cu", "Ag", "Pt", "Pd", "Au", "Ni", "Al")[number % 7]
    atoms = fcc111(metal, (2, 2, 3), vacuum=8.0)
    add_adsorbate(atoms, ("O", "N", "H", "C")[number % 4], 1.6, "fcc")
    atoms.info.clear()
    layers = atoms.get_tags()
    atoms.set_tags([{0: 2, 1: 1}.get(layer, 0) for layer in layers])
    atoms.set_constraint(FixAtoms(mask=atoms.get_tags() == 0))
    atoms.pbc = True
    atoms.positions[:] = np.round(atoms.positions, 8)
    return System(number, atoms, -2.125 + 0.25 * (number % 9))


SUBSETS: Mapping[str, tuple[System, ...]] = {
    "200K": (by_hand(), *(slab(number) for number in range(1001, 1008))),
    "val_id": tuple(slab(number) for number in range(1100, 1104)),
    "val_ood_ads": tuple(slab(number) for number in range(1200, 1203)),
}
FRAMES = 4
"""Of each system."""


@dataclass
class Pair:
    """A pair of files of S2EF."""

    frames: list[Atoms] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def files(self) -> tuple[bytes, bytes]:
        """Return the two, packed."""
        text = io.StringIO()
        write(text, self.frames, format="extxyz")
        return lzma.compress(text.getvalue().encode()), lzma.compress("".join(self.lines).encode())


def pairs_of(systems: Sequence[System], count: int = 2) -> list[Pair]:
    """Return the frames of some systems, dealt to pairs of files as the real ones are: mixed."""
    pairs = [Pair() for _ in range(count)]
    for step in range(FRAMES):
        for place, system in enumerate(systems):
            pair = pairs[(place + step) % count]
            pair.frames.append(system.frame(step))
            pair.lines.append(f"{system.name},frame{step},{system.reference:.8f}\n")
    return pairs


def pack(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    """Return a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def s2ef_archive(name: str, pairs: Sequence[Pair]) -> bytes:
    """Return an archive of S2EF. Pair 10 comes before pair 2, as in a listing of names."""
    members = {f"{name}/README.txt": b"Open Catalyst 2020\n"}
    for number, pair in sorted(enumerate(pairs), key=lambda item: str(item[0])):
        frames, systems = pair.files()
        members[f"{name}/{name}/{number}.extxyz.xz"] = frames
        members[f"{name}/{name}/{number}.txt.xz"] = systems
    return pack(members)


@contextmanager
def old_pyg() -> Iterator[type]:
    """Give a class that pickles under the name of the one of PyTorch Geometric 1."""
    name = "torch_geometric.data.data"
    kept = {one: sys.modules.get(one) for one in ("torch_geometric", "torch_geometric.data", name)}
    data = type("Data", (), {"__module__": name, "__qualname__": "Data"})
    try:
        sys.modules.update({one: ModuleType(one) for one in kept})
        sys.modules[name].Data = data  # type: ignore[attr-defined]
        yield data
    finally:
        for one, module in kept.items():
            if module is None:
                del sys.modules[one]
            else:
                sys.modules[one] = module


def graph(system: System, data: type, **changes: Any) -> Any:
    """Return a record of IS2RE: an old graph, with its edges and all."""
    atoms = system.atoms
    made = data()
    made.__dict__.update(
        edge_index=torch.zeros(2, 3, dtype=torch.int64),
        distances=torch.ones(3),
        pos=torch.tensor(atoms.positions, dtype=torch.float32),
        cell=torch.tensor(atoms.cell.array, dtype=torch.float32).view(1, 3, 3),
        atomic_numbers=torch.tensor(atoms.numbers, dtype=torch.float32),
        natoms=len(atoms),
        tags=torch.tensor(atoms.get_tags()),
        fixed=torch.tensor((atoms.get_tags() == 0).astype(np.float32)),
        sid=system.number,
        y_init=system.adsorption + 1.75,
        y_relaxed=system.adsorption,
        pos_relaxed=torch.tensor(atoms.positions, dtype=torch.float32),
    )
    made.__dict__.update(changes)
    return made


def write_lmdb(path: Path, records: Sequence[bytes]) -> Path:
    """Write pickles as OCP does: decimal keys, and the number of records."""
    environment = lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 24)
    with environment, environment.begin(write=True) as transaction:
        for number, record in enumerate(records):
            transaction.put(str(number).encode(), record)
        transaction.put(b"length", pickle.dumps(len(records)))
    return path


def is2re_archive(subsets: Mapping[str, Sequence[System]]) -> bytes:
    """Return the archive of IS2RE."""
    members: dict[str, bytes] = {}
    root = "is2res_train_val_test_lmdbs/data/is2re"
    with tempfile.TemporaryDirectory() as folder, old_pyg() as data:
        for subset, systems in subsets.items():
            records = [pickle.dumps(graph(system, data)) for system in systems]
            place = f"{root}/{subset if '/' in subset else f'all/{subset}'}/data.lmdb"
            name = subset.replace("/", "-")
            members[place] = write_lmdb(Path(folder) / name, records).read_bytes()
    return pack(members, "w:gz")


def tables(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the table of what the fake source serves, see ``sources.json``."""

    def entry(name: str, **more: Any) -> dict[str, Any]:
        digest = hashlib.md5(files[name], usedforsecurity=False).hexdigest()
        return {"file": name, "md5": digest, "records": 32, **more}

    return {
        "address": f"https://{HOST}{FOLDER}",
        "release": "fake source",
        "s2ef": {subset: entry(archive_name(subset)) for subset in SUBSETS},
        "is2re": {
            "10k": entry(ARCHIVE, member="is2re/10k/train/data.lmdb"),
            **{
                subset: entry(ARCHIVE, member=f"is2re/all/{subset}/data.lmdb")
                for subset in ("val_id", "val_ood_ads")
            },
        },
    }


def archive_name(subset: str) -> str:
    """Return the file of a subset of S2EF."""
    return f"s2ef_{subset if subset.startswith('val') else f'train_{subset}'}.tar"


FILES: Mapping[str, bytes] = {
    **{
        archive_name(subset): s2ef_archive(archive_name(subset)[:-4], pairs_of(systems))
        for subset, systems in SUBSETS.items()
    },
    ARCHIVE: is2re_archive(
        {
            "10k/train": SUBSETS["200K"],
            "val_id": SUBSETS["val_id"],
            "val_ood_ads": SUBSETS["val_ood_ads"],
        }
    ),
}


def write_table(path: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """Write the table of some files."""
    path.write_text(json.dumps(tables(files)), encoding="utf-8")
    return path


@contextmanager
def serve(files: Mapping[str, bytes] = FILES) -> Iterator[FaultServer]:
    """Serve files as the real host does."""
    with FaultServer() as server:
        for name, content in files.items():
            server.files[f"{FOLDER}/{name}"] = content
        yield server


_folder = tempfile.mkdtemp(prefix="ocp-fake-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
TABLE = write_table(Path(_folder) / "sources.json")
FETCH_ARGUMENTS = {
    "s2ef": ("--split", "200K+val_id+val_ood_ads", "--set", f"sources={TABLE}"),
    "is2re": ("--split", "10k+val_id+val_ood_ads", "--set", f"sources={TABLE}"),
}
_GEOMETRY: Mapping[str, Any] = {
    "atomic_numbers": [29, 29, 29, 29, 8],
    "positions": [[0, 0, 6], [2.5, 0, 6], [0, 2.5, 8], [2.5, 2.5, 8], [1.25, 1.25, 9.5]],
    "cell": [[5, 0, 0], [0, 5, 0], [0, 0, 20]],
}
SAMPLE = {
    # −181.5 eV in the file, of which −180.25 eV are those of slab and gases.
    "s2ef": Sample(
        id="train/random1000/frame0",
        labels={"energy": -1.25, "reference_energy": -180.25},
        **_GEOMETRY,
    ),
    "is2re": Sample(
        id="train/random1000",
        labels={"energy_relaxed": -1.25, "energy_initial": 0.5},
        **_GEOMETRY,
    ),
}
SOURCES = {
    name: FakeSource(
        serve=serve,
        mirrors=(HOST,),
        arguments=FETCH_ARGUMENTS[name],
        slow=slow,
        sample=SAMPLE[name],
    )
    for name, slow in {
        "s2ef": {f"{FOLDER}/s2ef_train_200K.tar": ["drip:0.05"]},
        "is2re": {f"{FOLDER}/{ARCHIVE}": ["drip:0.5"]},
    }.items()
}
