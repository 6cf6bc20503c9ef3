"""How fast the encoders train, beside a plain implementation of the same equations.

Run ``python benchmarks/encoders.py``; ``--output FILE`` writes the result as Markdown,
``--encoder NAME`` and ``--preset NAME`` choose. A step is forward, backward and optimiser on a
batch of 32 Materials Project crystals, cutoff 6 Å. In turns, in one process, on the same crystals
with the same weights:

- *plain*: concatenate, dense layers, scatter, on full graphs;
- *other*: the same network of another toolkit, where it is installed: matgl's MEGNet, and E(n)-GNN
  with PyTorch Geometric's message passing;
- *full*: the project's encoder on full graphs;
- *reduced*: the same on symmetry-distinct atoms, as a run trains;
- *bfloat16*: the same under autocast, with ``--bfloat16``;
- *end to end*: reduced, from the store through the loader.

The machine's matrix-multiply peak is measured between them with a large float32 product. The
share of the peak that a way reaches counts the operations of the plain equations, so that work
that is saved counts as speed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import _measure
import numpy as np
import torch
from _other_toolkits import of_another_toolkit
from _plain_egnn import PlainEGNN
from _plain_gala import PlainGALA
from _plain_megnet import PlainMEGNet
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from matsciml_core import CrystalBatch, Encoder, Neighbourhood, build_registry
from matsciml_core.data.loader import BatchSource
from matsciml_core.data.neighbours.edges import NeighbourCache
from matsciml_core.data.symmetry.orbits import OrbitSource

CUTOFF = 6.0
"""Å."""
LABEL = "formation_energy_per_atom"
PLAIN: dict[str, Callable[[Any], nn.Module]] = {
    "megnet": PlainMEGNet,
    "egnn": PlainEGNN.like,
    "gala": PlainGALA,
}
"""The plain implementations, each made with the weights of an encoder."""
WAYS = ("plain", "other", "full", "reduced", "bfloat16", "end to end")
RESET = Path("/proc/self/clear_refs")
GEMM = 2048
"""Rows of the square matrices whose product is the peak."""


@dataclass
class Result:
    """What was measured for one encoder and preset."""

    encoder: str
    preset: str
    parameters: int
    operations: float
    """Floating-point operations of a plain training step, per structure."""
    edges: dict[str, float]
    """Edges per structure of a full and of a reduced graph."""
    rates: dict[str, list[float]] = field(default_factory=dict)
    """Structures per second by way, one number per repeat."""
    memory: dict[str, float] = field(default_factory=dict)
    """Largest resident memory beyond that before the first step, MiB, by way."""
    peak: list[float] = field(default_factory=list)
    """Operations per second of the large product, one number per repeat."""

    def rate(self, way: str) -> float:
        """Return the median rate."""
        return statistics.median(self.rates[way])

    def ratio(self, way: str, other: str) -> float:
        """Return the median, over the repeats, of how many times faster one way was."""
        pairs = zip(self.rates[way], self.rates[other], strict=True)
        return statistics.median(a / b for a, b in pairs)

    def share(self, way: str) -> float:
        """Return the share of the peak that a way reached."""
        pairs = zip(self.rates[way], self.peak, strict=True)
        return statistics.median(rate * self.operations / peak for rate, peak in pairs)


class Bench:
    """One encoder with its crystals and the ways to train it.

    Args:
        name: The encoder.
        preset: Its preset.
        crystals: How many crystals a pass trains on.
        batch_size: Crystals in a batch.
        bfloat16: Whether to time that too.
    """

    def __init__(
        self, name: str, preset: str, crystals: int, batch_size: int, *, bfloat16: bool = False
    ) -> None:
        """Build the encoder, its plain counterpart, and the batches."""
        self.bfloat16 = bfloat16
        registry = build_registry()
        spec = registry.get("encoder", name)
        options = {"preset": preset, "cutoff": CUTOFF}
        torch.manual_seed(0)
        self.encoder: Encoder = spec.load()(spec.load_config().from_options(options, where=name))
        self.can_reduce = spec.capabilities.asymmetric_unit
        self.plain = PLAIN[name](self.encoder) if name in PLAIN else None
        self.output = nn.Linear(self.encoder.crystal_width, 1)
        self.other = of_another_toolkit(name, self.encoder)
        built = (self.encoder, self.plain, self.other)
        networks = [network for network in built if network is not None]
        self.optimisers = {
            network: torch.optim.AdamW(
                [*network.parameters(), *self.output.parameters()], lr=1e-5, fused=True
            )
            for network in networks
        }
        dataset = registry.get("dataset", "mp").load()(None)
        known = np.flatnonzero(_labelled(dataset))
        chosen = np.sort(np.random.default_rng(0).permutation(known)[:crystals])
        orbits = OrbitSource(dataset)
        self.sources = {
            "full": _source(dataset, chosen, self.encoder.neighbours),
            "reduced": _source(dataset, chosen, self.encoder.neighbours, orbits),
        }
        self.places = [
            list(range(first, min(first + batch_size, crystals)))
            for first in range(0, crystals, batch_size)
        ]
        self.batches = {
            way: [source[places] for places in self.places] for way, source in self.sources.items()
        }
        self.crystals = crystals

    def ways(self) -> dict[str, Callable[[], None]]:
        """Return what does one pass over the crystals, by way."""
        reduced = "reduced" if self.can_reduce else "full"
        found = {
            "full": lambda: self._pass(self.encoder, self.batches["full"]),
            "end to end": lambda: self._pass(
                self.encoder, (self.sources[reduced][places] for places in self.places)
            ),
        }
        if self.bfloat16:
            found["bfloat16"] = lambda: self._pass(
                self.encoder, self.batches[reduced], bfloat16=True
            )
        if self.can_reduce:
            found["reduced"] = lambda: self._pass(self.encoder, self.batches["reduced"])
        if self.plain is not None:
            plain = self.plain
            found["plain"] = lambda: self._pass(plain, self.batches["full"])
        if self.other is not None:
            other = self.other
            found["other"] = lambda: self._pass(other, self.batches["full"])
        return {way: found[way] for way in WAYS if way in found}

    def _pass(self, network: nn.Module, batches: Any, *, bfloat16: bool = False) -> None:
        optimiser = self.optimisers[network]
        for batch in batches:
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                embedding = network(batch)
            prediction = self.output(embedding.crystals.float()).squeeze(1)
            loss = (prediction - batch.targets[LABEL]).abs().mean()
            loss.backward()
            optimiser.step()

    def operations(self) -> float:
        """Count the floating-point operations of a plain step, per structure."""
        network = self.plain or self.encoder
        with FlopCounterMode(display=False) as counter:
            self._pass(network, self.batches["full"])
        return counter.get_total_flops() / self.crystals


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--encoder", action="append", help="which; default: all with a plain way")
    parser.add_argument("--preset", action="append", help="which presets; default: all")
    parser.add_argument("--crystals", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bfloat16", action="store_true", help="time autocast as well")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="write the tables to this file as well")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    chosen = [
        (name, preset)
        for name in options.encoder or PLAIN
        for preset in build_registry().get("encoder", name).capabilities.presets
        if options.preset is None or preset in options.preset
    ]
    if options.memory_of:
        bench = Bench(*chosen[0], options.crystals, options.batch_size, bfloat16=True)
        print(memory(bench, options.memory_of))
        return
    results = []
    for name, preset in chosen:
        results.append(measure(name, preset, options))
        print(report(results, options), flush=True)
    if options.output:
        options.output.write_text(report(results, options), encoding="utf-8")


def measure(name: str, preset: str, options: argparse.Namespace) -> Result:
    """Time all ways of one encoder in turns."""
    bench = Bench(name, preset, options.crystals, options.batch_size, bfloat16=options.bfloat16)
    result = Result(
        encoder=name,
        preset=preset,
        parameters=sum(parameter.numel() for parameter in bench.encoder.parameters()),
        operations=bench.operations(),
        edges={
            way: sum(batch.num_edges for batch in batches) / options.crystals
            for way, batches in bench.batches.items()
        },
    )
    ways = bench.ways()
    for run in ways.values():
        run()  # warms caches: edges and symmetry are found once
    result.rates = {way: [] for way in ways}
    for _ in range(options.repeats):
        result.peak.append(gemm_peak())
        for way, run in ways.items():
            start = time.perf_counter()
            run()
            result.rates[way].append(options.crystals / (time.perf_counter() - start))
    for way in ways:
        result.memory[way] = _memory_in_a_process(name, preset, way, options)
    return result


def gemm_peak() -> float:
    """Return the operations per second of a large float32 product, the best of three."""
    a, b = torch.randn(2, GEMM, GEMM)
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2.0 * GEMM**3 / best


def memory(bench: Bench, way: str) -> float:
    """Return by how much one pass raises the largest resident memory, MiB; NaN but on Linux."""
    if not RESET.exists():
        return math.nan
    RESET.write_text("5")  # the largest size so far is forgotten
    before = _measure.peak_memory()
    bench.ways()[way]()
    return _measure.peak_memory() - before


def report(results: Sequence[Result], options: argparse.Namespace) -> str:
    """Return the tables as Markdown."""
    rates = [
        [
            f"{one.encoder} {one.preset}",
            *(f"{one.rate(way):.0f}" if way in one.rates else "–" for way in WAYS),
        ]
        for one in results
    ]
    ratios = [_ratios(one) for one in results]
    sizes = [
        [
            f"{one.encoder} {one.preset}",
            f"{one.parameters:,}",
            f"{one.operations / 1e6:,.0f}",
            f"{one.edges['full']:.0f}",
            f"{one.edges['reduced']:.0f}",
            *(f"{one.memory[way]:.0f}" if way in one.memory else "–" for way in WAYS[:-1]),
        ]
        for one in results
    ]
    peak = statistics.median(value for one in results for value in one.peak)
    facts = _measure.machine(("torch", "numpy", "torch-geometric", "matgl"))
    facts["threads"] = str(options.threads)
    facts["peak"] = f"{peak / 1e9:.0f} GFLOP/s, a float32 product of {GEMM} x {GEMM} matrices"
    facts["work"] = (
        f"{options.crystals} crystals of mp mini, batches of {options.batch_size}, cutoff "
        f"{CUTOFF:g} Å, medians of {options.repeats} repeats"
    )
    return (
        "\n\n".join(
            (
                "# Training speed of the encoders",
                _measure.markdown_list(facts),
                "## Structures per second of a training step",
                _measure.markdown_table(("encoder", *WAYS), rates),
                "## Ratios, and shares of the matrix-multiply peak",
                _measure.markdown_table(
                    (
                        "encoder",
                        "full / plain",
                        "reduced / full",
                        "end to end / reduced",
                        "end to end / plain",
                        "end to end / other",
                        "bfloat16 / reduced",
                        "peak, plain",
                        "peak, full",
                    ),
                    ratios,
                ),
                "## Sizes, and memory of a step",
                _measure.markdown_table(
                    (
                        "encoder",
                        "parameters",
                        "MFLOP per structure",
                        "edges, full",
                        "edges, reduced",
                        *(f"MiB, {way}" for way in WAYS[:-1]),
                    ),
                    sizes,
                ),
            )
        )
        + "\n"
    )


def _ratios(one: Result) -> list[str]:
    def ratio(way: str, other: str) -> str:
        return f"{one.ratio(way, other):.2f}" if {way, other} <= one.rates.keys() else "–"

    def share(way: str) -> str:
        return f"{one.share(way):.2f}" if way in one.rates else "–"

    base = "reduced" if "reduced" in one.rates else "full"
    return [
        f"{one.encoder} {one.preset}",
        ratio("full", "plain"),
        ratio("reduced", "full"),
        ratio("end to end", base),
        ratio("end to end", "plain"),
        ratio("end to end", "other"),
        ratio("bfloat16", base),
        share("plain"),
        share("full"),
    ]


def _source(
    dataset: Any,
    chosen: np.ndarray[Any, Any],
    near: Neighbourhood | None,
    orbits: OrbitSource | None = None,
) -> BatchSource:
    return BatchSource(
        dataset,
        chosen,
        neighbourhood=near,
        labels=(LABEL,),
        cache=NeighbourCache(),
        orbits=orbits,
    )


def _labelled(dataset: Any) -> np.ndarray[Any, Any]:
    batch: CrystalBatch = dataset.__getitems__(range(len(dataset)))
    return ~torch.isnan(batch.targets[LABEL]).numpy()


def _memory_in_a_process(name: str, preset: str, way: str, options: argparse.Namespace) -> float:
    """Measure the memory of one way in a process of its own, whose peak nothing else raised."""
    command = [sys.executable, __file__, "--encoder", name, "--preset", preset]
    command += ["--crystals", str(4 * options.batch_size), "--memory-of", way]
    command += ["--batch-size", str(options.batch_size), "--threads", str(options.threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
