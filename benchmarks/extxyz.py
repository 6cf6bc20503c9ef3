"""How fast packed extended XYZ becomes a store, beside ASE's reader, and in how much memory.

Run ``python benchmarks/extxyz.py``; ``--check`` exits with 1 where a bar is missed, ``--output
FILE`` writes the result as Markdown. Everything runs on one core, in turns, on shards like those of
OC20's S2EF that this script writes itself: slabs of 73 atoms on average, eight decimals, packed by
xz. ``--memory`` measures something else instead: the peak memory of conversions of 10⁴, 10⁵ and
10⁶ small frames, each in a process of its own; ``--frames`` chooses others.
"""

from __future__ import annotations

import argparse
import io
import lzma
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import _measure

FRAMES = 400
"""In the shard that both readers read."""
PACKED_FRAMES = 100
"""In the shard that ASE reads packed: it unpacks the file anew for every frame."""
SHARD = 5000
"""Frames of a shard of the conversions whose memory is measured, as the published ones have."""
SMALL = 4
"""Atoms of their frames."""
LABELS = {
    "read": "this reader, unpacked text",
    "ase": "ASE's reader, unpacked text",
    "unpack": "unpacking xz alone",
    "read_packed": "this reader, packed shard",
    "ase_unpacks": "unpack xz, then ASE's reader",
    "ase_packed": f"ASE's reader on a packed shard ({PACKED_FRAMES} frames)",
    "convert": "packed shard to store, checked and referenced",
}
COMPARED = {"ase": "read", "ase_unpacks": "read_packed", "ase_packed": "read_packed"}
"""What stands beside each way of ASE."""
NEEDED = {"ase": 10.0, "ase_packed": 10.0}
FLAT = 1.2
"""The most frames may take this times the memory of the fewest."""


def main() -> int:
    """Measure, print the result, and return the exit code."""
    options = _options()
    if options.one is not None:
        print(*_peak(options.one))
        return 0
    if options.memory:
        text, passed = _memory(options.frames)
    else:
        _measure.on_one_core()
        text, passed = _speed(options.repeats)
    print(text)
    if options.output is not None:
        options.output.write_text(text, encoding="utf-8")
    return 0 if passed or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=7, help="at least 7 for a fair median")
    parser.add_argument("--memory", action="store_true", help="measure memory, not speed")
    parser.add_argument("--frames", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--output", type=Path, help="Markdown file to write")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_frames(count: int, atoms: int | None = None, seed: int = 0) -> bytes:
    """Return frames as S2EF has them, several of each slab.

    Args:
        count: Number of frames.
        atoms: Of each; None: 40 to 106, 73 on average.
        seed: Of the slabs.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    lines: list[str] = []
    for number in range(count):
        if number % 8 == 0:
            size = atoms or int(random.integers(40, 107))
            side = int(np.ceil(size ** (1 / 3)))
            grid = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3)[:size] * 2.3
            symbols = random.choice(["Cu", "Pt", "O", "H", "Ni", "C"], size)
            tags = random.integers(0, 3, size)
        moved = grid + 0.05 * random.normal(size=(size, 3))
        forces = random.normal(size=(size, 3))
        cell = f"{2.3 * side:.8f} 0.0 0.0 0.0 {2.3 * side:.8f} 0.0 0.0 0.0 {2.3 * side + 9:.8f}"
        energy = -180.0 + random.normal()
        lines += [
            str(size),
            f'Lattice="{cell}" Properties=species:S:1:pos:R:3:move_mask:L:1:tags:I:1:forces:R:3 '
            f'energy={energy:.8f} free_energy={energy:.8f} pbc="T T T"',
        ]
        rows = zip(symbols, moved.tolist(), tags.tolist(), forces.tolist(), strict=True)
        lines += [
            f"{symbol:<2} {x:16.8f} {y:16.8f} {z:16.8f}  {'FT'[tag > 0]} {tag:8d} "
            f"{u:16.8f} {v:16.8f} {w:16.8f}"
            for symbol, (x, y, z), tag, (u, v, w) in rows
        ]
    return ("\n".join(lines) + "\n").encode()


def _speed(repeats: int) -> tuple[str, bool]:
    with TemporaryDirectory() as folder:
        timings = _measure.interleave(_tasks(Path(folder)), repeats)
    rows, passed = [], True
    for name, timing in timings.items():
        ours = COMPARED.get(name)
        ratio = None if ours is None else _measure.speedup(timings[ours], timing)
        needed = NEEDED.get(name)
        passed &= ratio is None or needed is None or ratio >= needed
        low, high = timing.spread
        rows.append(
            [
                LABELS[name],
                f"{timing.rate:,.0f}",
                f"{low:,.0f} – {high:,.0f}",
                "" if ratio is None else f"{ratio:,.1f}",
                "" if needed is None else f"{needed:g}",
            ]
        )
    header = ("way", "frames/s", "range", "this reader is faster by", "needed")
    parts = [
        "# Extended XYZ",
        "Written by `python benchmarks/extxyz.py --output benchmarks/results/extxyz.md`.",
        _measure.markdown_list(_measure.machine(("numpy", "ase", "lmdb"))),
        f"Frames per second of core time on one core, medians of {repeats} repeats in turns; "
        "range: the slowest and the fastest repeat. ASE finds the frames before it reads them, "
        "and goes back for each; in a packed file that means to unpack it anew from its beginning, "
        "so that the time per frame grows with the length of the file.",
        _measure.markdown_table(header, rows),
    ]
    return "\n\n".join(parts) + "\n", passed


def _tasks(folder: Path) -> list[_measure.Task]:
    from ase.io import iread

    from matsciml_core.data.readers.extxyz import read_extended_xyz

    warnings.simplefilter("ignore")
    text = write_frames(FRAMES)
    packed = lzma.compress(text)
    few = folder / "few.extxyz.xz"
    few.write_bytes(lzma.compress(write_frames(PACKED_FRAMES)))
    number = iter(range(10**6))

    def ase(text: bytes) -> int:
        return sum(1 for _ in iread(io.StringIO(text.decode()), index=":", format="extxyz"))

    def read(stream: io.BytesIO | lzma.LZMAFile) -> int:
        return sum(1 for _ in read_extended_xyz(stream))

    return [
        _measure.Task("read", lambda: read(io.BytesIO(text)), FRAMES),
        _measure.Task("ase", lambda: ase(text), FRAMES),
        _measure.Task("unpack", lambda: lzma.decompress(packed), FRAMES),
        _measure.Task("read_packed", lambda: read(lzma.open(io.BytesIO(packed))), FRAMES),
        _measure.Task("ase_unpacks", lambda: ase(lzma.decompress(packed)), FRAMES),
        _measure.Task(
            "ase_packed", lambda: sum(1 for _ in iread(str(few), index=":")), PACKED_FRAMES
        ),
        _measure.Task(
            "convert", lambda: convert(packed, FRAMES, FRAMES, folder / str(next(number))), FRAMES
        ),
    ]


def convert(packed: bytes, frames: int, count: int, folder: Path) -> None:
    """Make a store of a shard that is served as often as it takes.

    Args:
        packed: The shard.
        frames: Number of its frames.
        count: Frames of the store.
        folder: Where to put it.
    """
    from matsciml_core.data.ingestion.conversion import ParallelSource, ingest
    from matsciml_core.interfaces.dataset import Provenance
    from matsciml_data_ocp import s2ef
    from matsciml_data_ocp.declaration import S2EF

    def pairs() -> Iterator[s2ef.Pair]:
        for first in range(0, count, frames):
            places = range(first, min(first + frames, count))
            lines = "".join(f"random{place // 8},frame{place},-178.0\n" for place in places)
            yield f"{first // frames}.extxyz.xz", lambda: packed, lines.encode()

    subset = s2ef.Subset(name="train", pairs=pairs)
    source = ParallelSource(pieces=lambda start: s2ef.shards([subset], start), read=s2ef.read_shard)
    manifest = ingest(
        source,
        folder,
        targets=S2EF.targets,
        provenance=Provenance(source="made up"),
        site_properties=s2ef.SITE_PROPERTIES,
    )
    if manifest.accepted != count:
        raise RuntimeError(f"Only {manifest.accepted} of {count} frames were accepted.")


def _memory(counts: list[int]) -> tuple[str, bool]:
    peaks: list[tuple[float, float]] = []
    for count in counts:
        command = [sys.executable, __file__, "--one", str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        own, resident = map(float, done.stdout.split())
        peaks.append((own, resident))
    rows = [
        [f"{count:,}", f"{own:,.0f}", f"{resident:,.0f}"]
        for count, (own, resident) in zip(counts, peaks, strict=True)
    ]
    passed = peaks[-1][0] <= FLAT * peaks[0][0]
    parts = [
        "# Memory of a conversion",
        "Written by `python benchmarks/extxyz.py --memory --output "
        "benchmarks/results/extxyz_memory.md`.",
        _measure.markdown_list(_measure.machine(("numpy", "lmdb"))),
        f"Peaks of a process that converts shards of {SHARD:,} frames of {SMALL} atoms. Its own "
        f"memory for the most frames may be {FLAT:g} times that for the fewest: "
        f"{'pass' if passed else 'FAIL'}. Resident memory includes pages of the files that are "
        "being written, which the system takes back when it needs room.",
        _measure.markdown_table(("frames", "own memory/MiB", "resident/MiB"), rows),
    ]
    return "\n\n".join(parts) + "\n", passed


def _peak(count: int) -> tuple[float, float]:
    """Convert in this process, and return the most memory it had of its own and in all, MiB."""
    packed = lzma.compress(write_frames(SHARD, SMALL))
    peaks, ended = [_own_memory()], Event()

    def watch() -> None:
        while not ended.wait(0.05):
            peaks.append(_own_memory())

    watcher = Thread(target=watch)
    watcher.start()
    with TemporaryDirectory() as folder:
        convert(packed, SHARD, count, Path(folder) / "store")
    ended.set()
    watcher.join()
    return max(peaks), _measure.peak_memory()


def _own_memory() -> float:
    """Return what this process has of its own, without pages of files, MiB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return _measure.peak_memory()
    lines = status.read_text(encoding="utf-8").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("RssAnon"))) / 1024


if __name__ == "__main__":
    sys.exit(main())
