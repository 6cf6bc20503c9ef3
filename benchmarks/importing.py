"""How fast files of each format become crystals, beside the library that people use for them.

Run ``python benchmarks/importing.py``; ``--check`` exits with 1 where a bar is missed, ``--output
FILE`` writes the result as Markdown. Everything runs on one core, in turns, on the same crystals in
every format: cells of eight atoms with energy, forces and stress, exported by this package. What
is compared with the libraries' structures are records, which hold as much; checked crystals with
labels stand beside them.
``--memory`` measures the peak memory of reading 10⁴ and 10⁶ records instead, each in a process of
its own, and of MPtrj's form of JSON, one object of 1 GB and a tenth of that. Its result is appended
to ``--output``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import _measure

CRYSTALS = 500
"""In the file of each format."""
ATOMS = 8
LABELS = {"energy": "energy=eV", "forces": "forces=eV/A", "stress": "stress=eV/A^3"}
FASTEST = {"extxyz": 10.0}
"""How many times faster than its library a format has to be; the others: not slower."""
PARQUET = 20_000
"""Checked crystals per second that are needed of Parquet."""
STREAMED = ("extxyz", "parquet", "atp")
"""Formats whose memory is measured."""
MPTRJ = "mptrj"
"""One JSON object with materials, which hold frames, as MPtrj is published."""
FRAMES_OF_A_MATERIAL = 10
MPTRJ_BYTES = (10**8, 10**9)
BLOCK = 10**4
"""Crystals that differ in longer files, which repeat them: writing a million takes much longer than
reading them."""
MOST, FLAT = 300, 1.2
"""MiB; and how much more the larger file may take than the smaller one."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format, and how its usual library reads the same file."""

    name: str
    path: Path
    library: str
    theirs: Callable[[], object]
    labels: tuple[str, ...]


def main() -> int:
    """Measure, print the result, and return the exit code."""
    options = _options()
    if options.one is not None:
        print(_peak(*options.one))
        return 0
    if options.memory:
        text, passed = _memory(options.records)
    else:
        _measure.on_one_core()
        text, passed = _speed(options.repeats)
    print(text)
    if options.output is not None and options.memory and options.output.exists():
        before = options.output.read_text(encoding="utf-8").partition("\n# Memory")[0]
        options.output.write_text(f"{before}\n{text}", encoding="utf-8")
    elif options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0 if passed or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=7, help="at least 7 for a fair median")
    parser.add_argument("--memory", action="store_true", help="measure memory, not speed")
    parser.add_argument("--records", type=int, nargs="+", default=[10**4, 10**6])
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def crystals(count: int) -> Iterator[Any]:
    """Yield crystals with energy, forces and stress, all different.

    Args:
        count: How many.
    """
    import numpy as np

    from matsciml_core.interfaces.crystal import Crystal

    random = np.random.default_rng(0)
    for index in range(count):
        cell = 5.6 * np.eye(3) + random.normal(scale=0.1, size=(3, 3))
        fractional = np.stack(np.meshgrid(*[(0.0, 0.5)] * 3), -1).reshape(-1, 3)
        stress = random.normal(scale=0.01, size=(3, 3))
        yield Crystal(
            id=f"crystal-{index}",
            atomic_numbers=random.choice([8, 12, 22, 26], ATOMS),
            positions=(fractional + random.normal(scale=0.02, size=(ATOMS, 3))) @ cell,
            cell=cell,
            labels={
                "energy": float(random.normal(-40)),
                "forces": random.normal(size=(ATOMS, 3)),
                "stress": stress + stress.T,
            },
        )


def write(name: str, path: Path, count: int) -> None:
    """Write crystals to a file of a format, by this package's writer or, of JSON, by pymatgen.

    Args:
        name: The format.
        path: The file.
        count: How many crystals.
    """
    from matsciml_core.convert import to_pymatgen
    from matsciml_core.data.readers import get_writer
    from matsciml_core.data.readers.labels import parse_label
    from matsciml_core.registry.manager import build_registry

    targets = {key: parse_label(text).info for key, text in LABELS.items()}
    if name == MPTRJ:
        _write_mptrj(path, count)
        return
    if name in ("extxyz", "parquet") and count > BLOCK:
        _repeat(name, path, count // BLOCK)
        return
    if name != "jsonl":
        spec = get_writer(name, build_registry())
        spec.load_named(spec.writer or "")(crystals(count), targets, path)
        return
    with path.open("w", encoding="utf-8") as stream:
        for crystal in crystals(count):
            record = {
                "material_id": crystal.id,
                "structure": to_pymatgen(crystal).as_dict(),
                **{key: value for key, value in crystal.labels.items() if key == "energy"},
                "forces": crystal.labels["forces"].tolist(),
            }
            stream.write(f"{json.dumps(record)}\n")


def _repeat(name: str, path: Path, times: int) -> None:
    """Write a file that holds the same crystals several times, one behind the other."""
    import pyarrow.parquet

    block = path.with_name(f"block.{name}")
    write(name, block, BLOCK)
    if name == "extxyz":
        content = block.read_bytes()
        with path.open("wb") as stream:
            for _ in range(times):
                stream.write(content)
        return
    table = pyarrow.parquet.read_table(block)
    with pyarrow.parquet.ParquetWriter(path, table.schema) as writer:
        for _ in range(times):
            writer.write_table(table)


def _write_mptrj(path: Path, size: int) -> None:
    """Write frames of eight atoms with the keys of MPtrj until a file has so many bytes."""
    from matsciml_core.convert import to_pymatgen

    frames = []
    for crystal in crystals(FRAMES_OF_A_MATERIAL):
        energy = crystal.labels["energy"]
        frame = {
            "structure": to_pymatgen(crystal).as_dict(),
            "uncorrected_total_energy": energy,
            "corrected_total_energy": energy,
            "energy_per_atom": energy / ATOMS,
            "ef_per_atom": -1.0,
            "force": crystal.labels["forces"].tolist(),
            "stress": (crystal.labels["stress"] * 1600).tolist(),
            "magmom": None,
            "bandgap": 0.5,
        }
        frames.append(json.dumps(frame))
    with path.open("w", encoding="utf-8") as stream:
        material = 0
        while stream.tell() < size:
            named = (f'"mp-{material}-{i}-0": {frame}' for i, frame in enumerate(frames))
            stream.write(f'{", " if material else "{"}"mp-{material}": {{{", ".join(named)}}}')
            material += 1
        stream.write("}")


@cache
def _registry() -> Any:
    """Return the installed readers, which a command looks up once."""
    from matsciml_core.registry.manager import build_registry

    return build_registry()


def _records(form: str, path: Path) -> Iterator[Any]:
    from matsciml_core.data.readers import read

    return read(path, form, registry=_registry())


def count_records(form: str, path: Path) -> int:
    """Read a file into records, which hold what the libraries' structures do."""
    return sum(1 for _ in _records(form, path))


def convert(form: str, path: Path, labels: tuple[str, ...]) -> int:
    """Read a file into checked crystals, as an import does, and return how many they are."""
    from matsciml_core.data.readers import Naming, to_crystals
    from matsciml_core.data.readers.labels import parse_label
    from matsciml_core.interfaces.crystal import Crystal

    columns = [parse_label(text) for text in labels]
    items = to_crystals(_records(form, path), columns, Naming())
    count = 0
    for item in items:
        if not isinstance(item, Crystal):
            raise TypeError(f"{form}: {item.detail or item.reason}")
        count += 1
    return count


def _formats(folder: Path) -> list[Format]:
    """Write the files, and return the formats with the ways of their libraries."""
    import ase.io
    import pandas
    from ase.db import connect
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.cif import CifParser
    from pymatgen.io.vasp import Poscar

    from matsciml_core.convert import to_pymatgen

    full = tuple(LABELS.values())
    paths = {name: folder / name for name in ("extxyz", "cif", "parquet", "traj", "jsonl", "atp")}
    paths |= {"aselmdb": folder / "a.aselmdb", "ase-db": folder / "a.db"}
    paths["deepmd"] = folder / "deepmd"
    for name, path in paths.items():
        write(name, path, CRYSTALS)
    poscars = folder / "poscars"
    poscars.mkdir()
    for crystal in crystals(CRYSTALS):
        to_pymatgen(crystal).to(str(poscars / f"{crystal.id}.vasp"), fmt="poscar")
    vasprun = folder / "vasprun.xml"
    _write_vasprun(vasprun)

    def database(path: Path, **how: Any) -> list[Any]:
        return [row.toatoms() for row in connect(str(path), **how).select()]

    def parquet() -> list[Any]:
        rows = pandas.read_parquet(paths["parquet"]).to_dict("records")
        return [
            Structure(
                Lattice([list(vector) for vector in row["lattice_vectors"]]),
                list(row["species_at_sites"]),
                [list(site) for site in row["cartesian_site_positions"]],
                coords_are_cartesian=True,
            )
            for row in rows
        ]

    def lines() -> list[Any]:
        with paths["jsonl"].open(encoding="utf-8") as stream:
            return [Structure.from_dict(json.loads(line)["structure"]) for line in stream]

    def deepmd() -> object:
        import dpdata

        systems = dpdata.MultiSystems()
        systems.load_systems_from_file(str(paths["deepmd"]), fmt="deepmd/npy/mixed")
        return systems

    def atompack() -> list[Any]:
        from atompack import Database

        opened = Database.open(str(paths["atp"]))
        return opened.to_ase_batch(list(range(len(opened))))

    def ase_reads(form: str, path: Path) -> Callable[[], object]:
        return lambda: ase.io.read(str(path), index=":", format=form)

    return [
        _format("extxyz", paths, "ASE", ase_reads("extxyz", paths["extxyz"]), full),
        _format("cif", paths, "pymatgen", lambda: _parse_cif(CifParser, paths["cif"]), ()),
        Format(
            name="poscar",
            path=poscars,
            library="pymatgen",
            theirs=lambda: [
                Poscar.from_file(path, check_for_potcar=False) for path in poscars.glob("*.vasp")
            ],
            labels=(),
        ),
        _format("jsonl", paths, "json and pymatgen", lines, full[:2]),
        _format("parquet", paths, "pandas and pymatgen", parquet, full),
        _format("traj", paths, "ASE", ase_reads("traj", paths["traj"]), full),
        _format("ase-db", paths, "ASE", lambda: database(paths["ase-db"]), full),
        _format(
            "aselmdb",
            paths,
            "ase-db-backends",
            lambda: database(paths["aselmdb"], type="aselmdb", readonly=True),
            full,
        ),
        _format("atp", paths, "atompack, to ASE", atompack, full),
        _format("deepmd", paths, "dpdata", deepmd, (*full[:2], "stress=virial:eV")),
        Format(
            name="vasprun",
            path=vasprun,
            library="ASE",
            theirs=ase_reads("vasp-xml", vasprun),
            labels=("energy=free_energy:eV", "forces=eV/A"),
        ),
    ]


def _format(
    name: str,
    paths: dict[str, Path],
    library: str,
    theirs: Callable[[], object],
    labels: tuple[str, ...],
) -> Format:
    return Format(name=name, path=paths[name], library=library, theirs=theirs, labels=labels)


def _parse_cif(parser: Any, path: Path) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parser(str(path)).parse_structures(primitive=False)


def _write_vasprun(path: Path) -> None:
    """Write a run of as many ionic steps as other files have crystals."""
    from matsciml_reader_ase.vasp_samples import vasprun_samples

    (sample,) = vasprun_samples(path.parent)
    if sample.write_many is not None:
        sample.write_many(path, CRYSTALS)
    # ASE reads k points and the structure at the start, which the sample does without.
    start = (
        '<structure name="initialpos"><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v>'
        '<v>0 0 4</v></varray></crystal><varray name="positions"><v>0 0 0</v>'
        "<v>0.5 0.5 0.5</v></varray>"
    )
    points = '<kpoints><varray name="kpointlist"/></kpoints><atominfo>'
    text = path.read_text(encoding="utf-8").replace("<atominfo>", points)
    path.write_text(text.replace('<structure name="initialpos">', start), encoding="utf-8")


def _speed(repeats: int) -> tuple[str, bool]:
    with TemporaryDirectory() as name:
        formats = _formats(Path(name))
        tasks = []
        for form in formats:
            read = partial(count_records, form.name, form.path)
            crystals = partial(convert, form.name, form.path, form.labels)
            tasks += [
                _measure.Task(form.name, read, CRYSTALS),
                _measure.Task(f"{form.name}, crystals", crystals, CRYSTALS),
                _measure.Task(f"{form.name}, theirs", form.theirs, CRYSTALS),
            ]
        timings = _measure.interleave(tasks, repeats)
    rows, passed = [], True
    for form in formats:
        mine, theirs = timings[form.name], timings[f"{form.name}, theirs"]
        ratio = _measure.speedup(mine, theirs)
        needed = FASTEST.get(form.name, 1.0)
        checked = timings[f"{form.name}, crystals"].rate
        met = ratio >= needed and (form.name != "parquet" or checked >= PARQUET)
        passed &= met
        low, high = mine.spread
        rows.append(
            [
                form.name,
                f"{mine.rate:,.0f}",
                f"{low:,.0f} – {high:,.0f}",
                f"{checked:,.0f}",
                form.library,
                f"{theirs.rate:,.0f}",
                f"{ratio:.2f}",
                f"{needed:g}" + (f", {PARQUET:,} crystals/s" if form.name == "parquet" else ""),
                "pass" if met else "FAIL",
            ]
        )
    header = (
        "format",
        "records/s",
        "range",
        "crystals/s",
        "library",
        "its rate",
        "times",
        "needed",
        "",
    )
    packages = ("numpy", "ase", "pymatgen", "pandas", "pyarrow", "dpdata", "atompack-db")
    parts = [
        "# Importing",
        "Written by `python benchmarks/importing.py --output benchmarks/results/importing.md`.",
        _measure.markdown_list(_measure.machine(packages)),
        f"{CRYSTALS} crystals of {ATOMS} atoms with energy, forces and stress (CIF and POSCAR: "
        "structures alone; vasprun.xml: two atoms). Per second of core time on one core, medians "
        f"of {repeats} repeats in turns; range: the slowest and the fastest. Records hold what the "
        "libraries' structures hold, and are compared with these; crystals are checked, and have "
        "the labels that were asked for in their units.",
        _measure.markdown_table(header, rows),
    ]
    return "\n\n".join(parts) + "\n", passed


def _memory(records: list[int]) -> tuple[str, bool]:
    rows, passed = [], True
    tasks = [(form, records) for form in STREAMED] + [(MPTRJ, list(MPTRJ_BYTES))]
    for form, sizes in tasks:
        peaks, counts, sizes_read = [], [], []
        for size in sizes:
            command = [sys.executable, __file__, "--one", form, str(size)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peak, count, read = done.stdout.split()[-3:]
            peaks.append(float(peak))
            counts.append(f"{int(count):,}")
            sizes_read.append(f"{int(read) / 1e9:.3g} GB")
        met = max(peaks) <= MOST and peaks[-1] <= FLAT * peaks[0]
        passed &= met
        cells = zip(counts, sizes_read, peaks, strict=True)
        texts = [f"{count} in {size}: {peak:,.0f} MiB" for count, size, peak in cells]
        rows.append([form, *texts, f"{peaks[-1] / peaks[0]:.2f}", "pass" if met else "FAIL"])
    header = ("format", "smaller file", "larger file", "ratio", "")
    parts = [
        "# Memory of importing",
        "Written by `python benchmarks/importing.py --memory "
        "--output benchmarks/results/importing.md`.",
        _measure.markdown_list(_measure.machine(("numpy", "ase", "pyarrow", "atompack-db"))),
        f"Records of {ATOMS} atoms in each file, and the most resident memory of a process that "
        "read it into checked crystals with energy, forces and stress, Python and its libraries "
        f"among it; `{MPTRJ}` is one JSON object, as MPtrj is published. Parquet is mapped into "
        f"memory, which counts pages of the file. Needed: at most {MOST} MiB, and at most {FLAT:g} "
        "times as much for the larger file.",
        _measure.markdown_table(header, rows),
    ]
    return "\n\n".join(parts) + "\n", passed


def _peak(form: str, count: str) -> str:
    """Return the most memory that reading takes, MiB, how many records, and bytes of the file."""
    labels = {"jsonl": tuple(LABELS.values())[:2]}.get(form, tuple(LABELS.values()))
    if form == "deepmd":
        labels = (*labels[:2], "stress=virial:eV")
    elif form == MPTRJ:
        labels = ("energy=uncorrected_total_energy:eV", "forces=force:eV/A", "stress=kbar:vasp")
    with TemporaryDirectory() as name:
        path = Path(name) / f"file.{form}"
        # Another process writes the file, lest what it holds be counted.
        script = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
            f"from pathlib import Path; import importing; "
            f"importing.write({form!r}, Path({str(path)!r}), {int(count)})"
        )
        subprocess.run([sys.executable, "-c", script], check=True)
        records = convert("json" if form == MPTRJ else form, path, labels)
        size = path.stat().st_size
    return f"{_measure.peak_memory()} {records} {size}"


if __name__ == "__main__":
    sys.exit(main())
