"""Speed of training and sampling CDVAE beside a plain implementation, and memory of a step.

Run ``python benchmarks/cdvae.py``; ``--output PATH`` (without suffix) writes a table as Markdown
and as CSV, and a plot as SVG and PNG. A training step is forward, backward and optimiser of
encoder and head on crystals of ``mp`` with at most 25 atoms; a Langevin step is one evaluation of
the decoder with its neighbour search, without gradients. They are timed in turns, on one core, in
structures per second and in atoms times steps per second:

- *plain*: triplets listed in Python loops, gathered and scattered;
- *matsciml*: the plugin.

With ``--old CHECKOUT`` the same steps of an older build, by the interpreter in that checkout's
``.venv``, are timed in turns with those of today, each build in a process of its own.

Memory and time against the number of atoms are measured in processes of their own, one for each
number.
"""

from __future__ import annotations

import _measure

if __name__ == "__main__":
    _measure.on_one_core()

import argparse
import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from _plain_cdvae import PlainDecoder, PlainDimeNet

from matsciml_core import CrystalBatch, build_registry
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours
from matsciml_core.interfaces.structure import STRUCTURE, read_crystals
from matsciml_model_cdvae.config import CDVAEConfig, CrystalGenerationConfig
from matsciml_model_cdvae.head import CrystalGeneration
from matsciml_model_cdvae.latent import CDVAEEncoder
from matsciml_model_cdvae.samplers import Move
from matsciml_model_cdvae.sampling import ScoreField, Walkers

Rows = list[list[str]]
"""Cells of a table, row by row."""
ATOMS = (50, 100, 200, 400, 800)
"""Atoms of a batch, for memory and time."""
MAX_ATOMS = 25
SERVE = """
import sys, time, cdvae
model = cdvae.Model(sys.argv[1], int(sys.argv[2]))
for line in sys.stdin:
    step = getattr(model, line.strip())
    start = time.process_time()
    step()
    print(time.process_time() - start, flush=True)
"""
"""Program of a build's process: times the steps whose names it reads."""
SIGMA, SIZE = 1.0, 1e-2
"""Noise, Å, and step, Å², of the Langevin step that is timed; its cost does not depend on them."""


class Model:
    """Encoder and head with a batch.

    Args:
        preset: Of both.
        crystals: Number of crystals in the batch.
        plain: Whether to use the plain networks, with the same weights.
    """

    def __init__(self, preset: str, crystals: int, *, plain: bool = False) -> None:
        """Build networks and batch."""
        torch.manual_seed(0)
        options = {"preset": preset}
        self.encoder = CDVAEEncoder(CDVAEConfig.from_options(options, where="encoder"))
        config = CrystalGenerationConfig.from_options(options, where="head")
        width = self.encoder.crystal_width
        self.head = CrystalGeneration([STRUCTURE], self.encoder.atom_width, width, config)
        if plain:
            self._make_plain(config)
        batch = crystals_of_mp(crystals)
        self.head.fit([batch])
        batch = attach_neighbours(batch, self.encoder.neighbours)
        self.batch: CrystalBatch = batch.to(dtype=torch.float32)
        parameters = [*self.encoder.parameters(), *self.head.parameters()]
        self.optimiser = torch.optim.AdamW(parameters, lr=1e-5, fused=True)
        self.field, self.walkers = self._sampling()
        size = torch.full((batch.num_crystals,), SIZE)
        self.move = Move(drift=size / SIGMA, spread=(2.0 * size).sqrt())

    def _make_plain(self, config: CrystalGenerationConfig) -> None:
        network = PlainDimeNet(self.encoder.config)
        network.load_state_dict(self.encoder.network.state_dict())
        decoder = PlainDecoder(config, self.head.latent_width)
        decoder.load_state_dict(self.head.decoder.state_dict())
        self.encoder.network, self.head.decoder = network, decoder

    def _sampling(self) -> tuple[ScoreField, Walkers]:
        batch = self.batch
        generator = torch.Generator().manual_seed(0)
        field = ScoreField.of(
            self.head.decoder,
            self.head.settings,
            self.head.sample_latents(batch.num_crystals, generator=generator),
            batch.cell,
            batch.atoms_per_crystal,
        )
        walkers = Walkers(
            fractional=torch.rand(batch.num_atoms, 3, generator=generator),
            species=(batch.atomic_numbers - 1).clamp(max=99),
            failed=torch.zeros(batch.num_crystals, dtype=torch.bool),
        )
        return field, walkers

    def train(self) -> None:
        """Make a training step."""
        self.optimiser.zero_grad()
        prediction = self.head(self.encoder(self.batch), self.batch)
        self.head.loss(prediction, {}, self.head.mask(self.batch)).backward()
        self.optimiser.step()

    def sample(self) -> None:
        """Make a Langevin step; every one starts from the same positions."""
        with torch.no_grad():
            noise = torch.zeros_like(self.walkers.fractional)
            self.field.step(self.walkers, noise, self.move)


def crystals_of_mp(count: int) -> CrystalBatch:
    """Return crystals of the Materials Project with at most 25 atoms, spread over the dataset."""
    spec = build_registry().get("dataset", "mp")
    options = {"max_atoms": MAX_ATOMS}
    dataset = spec.load()(spec.load_config().from_options(options, where="dataset"))
    every = len(dataset) // count
    return read_crystals(dataset, [k * every for k in range(count)], [STRUCTURE.name])


def time_steps(preset: str, crystals: int, repeats: int) -> Rows:
    """Return a row for each kind of step: plain and own rates, and their ratio."""
    models = {
        name: Model(preset, crystals, plain=name == "plain") for name in ("plain", "matsciml")
    }
    batch = models["plain"].batch
    rows = []
    for title, step in (("training", "train"), ("Langevin", "sample")):
        tasks = [
            _measure.Task(name, getattr(model, step), batch.num_crystals)
            for name, model in models.items()
        ]
        timings = _measure.interleave(tasks, repeats)
        atoms = batch.num_atoms / batch.num_crystals
        for name, timing in timings.items():
            rate, speedup = timing.rate, _measure.speedup(timing, timings["plain"])
            rows.append(
                [
                    f"{preset}, {title}, {name}",
                    f"{rate:.1f}",
                    f"{rate * atoms:.0f}",
                    f"{speedup:.1f}",
                ]
            )
    return rows


def time_builds(checkouts: Mapping[str, Path], preset: str, crystals: int, repeats: int) -> Rows:
    """Return a row for each kind of step and build: its rate, and its ratio to that of the first.

    Args:
        checkouts: The builds by name, each with its ``.venv`` and this benchmark.
        preset: Of the model.
        crystals: In the batch.
        repeats: How many times each step of each build is timed.
    """
    builds = {}
    for name, checkout in checkouts.items():
        builds[name] = subprocess.Popen(
            [_measure.program_of(checkout, "python"), "-c", SERVE, preset, str(crystals)],
            cwd=checkout / "benchmarks",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    rows = []
    for title, step in (("training", "train"), ("Langevin", "sample")):
        seconds: dict[str, list[float]] = {name: [] for name in builds}
        for _ in range(repeats + 1):  # the first one warms caches
            for name, build in builds.items():
                seconds[name].append(_ask(build, step))
        first = next(iter(builds))
        for name, times in seconds.items():
            pairs = zip(seconds[first][1:], times[1:], strict=True)
            rows.append(
                [
                    f"{preset}, {title}, {name}",
                    f"{crystals / statistics.median(times[1:]):.1f}",
                    f"{statistics.median(old / new for old, new in pairs):.2f}",
                ]
            )
    for build in builds.values():
        build.communicate()
    return rows


def _ask(build: subprocess.Popen[str], step: str) -> float:
    """Return the processor seconds of one step of a build."""
    assert build.stdin is not None
    assert build.stdout is not None
    build.stdin.write(f"{step}\n")
    build.stdin.flush()
    return float(build.stdout.readline())


def one_size(preset: str, atoms: int) -> tuple[float, float, float]:
    """Return seconds of a training and of a Langevin step, and peak memory of this process, MiB.

    Args:
        preset: Of the model.
        atoms: Approximate number of atoms in the batch.
    """
    crystals = max(round(atoms / 10), 1)  # crystals of at most 25 atoms have about 10
    model = Model(preset, crystals)
    seconds = []
    for step in (model.train, model.sample):
        step()
        start = time.process_time()
        for _ in range(3):
            step()
        seconds.append((time.process_time() - start) / 3)
    used = _measure.peak_memory()
    sys.stdout.write(f"{model.batch.num_atoms} {seconds[0]} {seconds[1]} {used}\n")
    return seconds[0], seconds[1], used


def sizes(preset: str, atoms: Sequence[int]) -> list[list[float]]:
    """Return atoms, seconds of both steps and MiB for batches of several sizes."""
    rows = []
    for count in atoms:
        command = [sys.executable, __file__, "--one", preset, str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append([float(word) for word in done.stdout.split()])
    return rows


def report(rows: Rows, builds: Rows, grown: Sequence[Sequence[float]]) -> str:
    """Return the result as Markdown."""
    rates = _measure.markdown_table(
        ["preset, step, way", "structures/s", "atoms · steps/s", "times plain"], rows
    )
    table = _measure.markdown_table(
        ["atoms", "training step, s", "Langevin step, s", "peak memory, MiB"],
        [[f"{a:.0f}", f"{t:.3f}", f"{s:.3f}", f"{m:.0f}"] for a, t, s, m in grown],
    )
    facts = _measure.markdown_list(_measure.machine(("torch", "numpy")))
    parts = ["# CDVAE", rates, table, facts]
    if builds:
        header = ["preset, step, build", "structures/s", "times older"]
        parts.insert(2, _measure.markdown_table(header, builds))
    return "\n\n".join(parts) + "\n"


def plot(grown: Sequence[Sequence[float]], preset: str, output: Path) -> None:
    """Plot time and memory against atoms.

    Args:
        grown: Rows of :func:`sizes`.
        preset: Name of the model, for the title.
        output: Path of the files, without their suffix.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    atoms, train, sample, memory = zip(*grown, strict=True)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(atoms, train, marker="o", label="training step")
    left.plot(atoms, sample, marker="s", label="Langevin step")
    left.set(xlabel="atoms", ylabel="seconds, one core", title=f"CDVAE ({preset})")
    left.legend()
    right.plot(atoms, memory, marker="o")
    right.set(xlabel="atoms", ylabel="peak memory, MiB", title="both steps, whole process")
    for axes in (left, right):
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    for suffix in (".svg", ".png"):
        figure.savefig(output.with_suffix(suffix), dpi=150)


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=["small", "published"])
    parser.add_argument("--crystals", type=int, default=32, help="in the batch that is timed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--atoms", type=int, nargs="+", default=ATOMS)
    _measure.take_older_build(parser)
    parser.add_argument("--output", type=Path, help="path of the results, without a suffix")
    parser.add_argument("--one", nargs=2, metavar=("PRESET", "ATOMS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one_size(options.one[0], int(options.one[1]))
        return
    rows = [
        row
        for preset in options.presets
        for row in time_steps(preset, options.crystals, options.repeats)
    ]
    builds: Rows = []
    if options.old:
        checkouts = {"older": options.old, "today": Path(__file__).parents[1]}
        for preset in options.presets:
            builds += time_builds(checkouts, preset, options.crystals, options.repeats)
    grown = sizes(options.presets[0], options.atoms)
    text = report(rows, builds, grown)
    sys.stdout.write(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.with_suffix(".md").write_text(text, encoding="utf-8")
        with options.output.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("atoms", "train_s", "langevin_s", "MiB"), *grown])
        plot(grown, options.presets[0], options.output)


if __name__ == "__main__":
    main()
