"""Sample crystals by several samplers of one trained model, and compare cost and quality.

    python benchmarks/sampling.py RUN --keep build/sampling

Every sampler decodes the same latent vectors, from the same positions, on one thread, one sampler
after the other in one process. Then the same crystals of the test set are encoded, and each sampler
decodes them. Beside the time stand the metrics of ``matsciml evaluate-crystals``, the rate of
reconstruction, and for each a standard error: that of a share, or by resampling the crystals.

RUN is a run that learnt ``structure``, for example that of ``generation.py --keep``. What a sampler
has made stays in the folder ``--keep`` and is not made again. Writes
``benchmarks/results/sampling_DATASET.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import _measure
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from matsciml_core import Crystal, build_registry
from matsciml_core.data.readers.extxyz import write_frames
from matsciml_core.interfaces.generation import Composition, SamplingConfig
from matsciml_core.model.trained import TrainedModel, load
from matsciml_tool_generate.coverage import CUTOFFS, standardise
from matsciml_tool_generate.fingerprints import FingerprintCache
from matsciml_tool_generate.matching import rms_distance
from matsciml_tool_generate.reference import read_file, read_reference
from matsciml_tool_generate.sampling import generative_head
from matsciml_tool_generate.structures import ParsedStructure
from matsciml_tool_generate.uniqueness import find_duplicates
from matsciml_tool_generate.validity import Validity, ValidityOptions, validate_all

RESULTS = Path(__file__).parent / "results"
BATCH = 64
RESAMPLES = 200
Value = tuple[float, float]
"""A metric and its standard error."""


@dataclass(frozen=True)
class Drawn:
    """What a sampler made of latent vectors."""

    crystals: list[Crystal]
    seconds: float
    """Processor time of all of them."""
    number: int
    """Latent vectors."""


def main() -> None:
    """Sample, evaluate, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run that learnt structure")
    parser.add_argument("--number", type=int, default=256, help="latent vectors")
    parser.add_argument("--limit", type=int, default=100, help="crystals to reconstruct")
    parser.add_argument("--reference", type=int, default=1000, help="crystals of the test set")
    parser.add_argument(
        "--samplers",
        nargs="+",
        default=["langevin", "langevin/50/10", "ancestral"],
        help="NAME, or NAME/LEVELS/STEPS; the first one is what the others are compared with",
    )
    parser.add_argument("--keep", type=Path, required=True, help="folder of what was made")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the page")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.keep.mkdir(parents=True, exist_ok=True)
    registry = build_registry()
    model = load(options.run, device="cpu", registry=registry)
    truth = read_reference(f"{options.run}:test", registry)
    test = [one.crystal for one in truth if one.crystal is not None]
    columns: dict[str, dict[str, Value]] = {}
    with FingerprintCache() as cache:
        reference = validate_all(truth[: options.reference], ValidityOptions(), cache=cache)
        for name in options.samplers:
            drawn = draw(model, name, options)
            back = reconstruct(model, name, test[: options.limit], options.keep)
            columns[name] = {**measure(drawn, reference, cache), **back}
    text = page(columns, options, model)
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    dataset = model.tasks[0].dataset
    (options.output / f"sampling_{dataset}.md").write_text(text, encoding="utf-8")


def settings(name: str) -> SamplingConfig:
    """Return the settings of a sampler by its name on the command line."""
    sampler, *numbers = name.split("/")
    keys = ("levels", "steps_per_level")
    values = dict(zip(keys, numbers, strict=False))
    return SamplingConfig.from_options({"sampler": sampler, **values}, where="sampling")


def draw(model: TrainedModel, name: str, options: argparse.Namespace) -> Drawn:
    """Decode latent vectors of the prior by a sampler, or read what it made before."""
    file = options.keep / f"{name.replace('/', '-')}.extxyz"
    record = file.with_suffix(".json")
    if not record.is_file():
        head = generative_head(model)
        latents = head.sample_latents(options.number, generator=torch.Generator().manual_seed(0))
        crystals, seconds = _decode(model, latents, settings(name), None)
        found = [one for one in crystals if one is not None]
        write_frames(file, found)
        record.write_text(json.dumps({"seconds": seconds, "number": options.number}), "utf-8")
    data = json.loads(record.read_text("utf-8"))
    structures = read_file(file, build_registry(only=[]))
    return Drawn(
        crystals=[one.crystal for one in structures if one.crystal is not None],
        seconds=data["seconds"],
        number=data["number"],
    )


def _decode(
    model: TrainedModel,
    latents: torch.Tensor,
    sampling: SamplingConfig,
    compositions: Sequence[Composition] | None,
) -> tuple[list[Crystal | None], float]:
    """Return the crystals of latent vectors, None where one is rejected, and processor seconds."""
    head, crystals = generative_head(model), []
    generator = torch.Generator().manual_seed(1)
    start = time.process_time()
    for index, block in enumerate(latents.split(BATCH)):
        decoded = head.decode(
            block,
            sampling=sampling,
            composition=None if compositions is None else compositions[index],
            generator=generator,
        )
        crystals += [one.crystal for one in decoded]
    return crystals, time.process_time() - start


def reconstruct(
    model: TrainedModel, name: str, truth: Sequence[Crystal], keep: Path
) -> dict[str, Value]:
    """Return how many crystals come back from their latent vectors, with and without species."""
    file = keep / f"{name.replace('/', '-')}-reconstructed.json"
    if not file.is_file():
        head, rates = generative_head(model), {}
        blocks = [truth[start : start + BATCH] for start in range(0, len(truth), BATCH)]
        with torch.no_grad():
            latents = torch.cat([head.encode(model.encoder(model.batch(b))) for b in blocks])
        for title, given in (("reconstructed", False), ("reconstructed, species given", True)):
            compositions = [Composition.of(block, species=True) for block in blocks]
            found, _ = _decode(model, latents, settings(name), compositions if given else None)
            distances = [rms_distance(pair) for pair in zip(found, truth, strict=True)]
            rates[title] = [distance is not None for distance in distances]
        file.write_text(json.dumps(rates), "utf-8")
    return {key: _share(values) for key, values in json.loads(file.read_text("utf-8")).items()}


def measure(
    drawn: Drawn, reference: Sequence[Validity], cache: FingerprintCache
) -> dict[str, Value]:
    """Return the metrics of sampled crystals, each with its standard error."""
    found = validate_all(
        [ParsedStructure.from_crystal(crystal) for crystal in drawn.crystals],
        ValidityOptions(),
        cache=cache,
    )
    missing = [False] * (drawn.number - len(found))
    valid = [index for index, one in enumerate(found) if one.valid]
    duplicates = find_duplicates([drawn.crystals[index] for index in valid])
    first = [leader == index for index, leader in enumerate(duplicates.representative)]
    values = {
        "processor time per crystal (s)": (drawn.seconds / drawn.number, float("nan")),
        "structure validity": _share([one.structure_valid for one in found] + missing),
        "composition validity": _share([one.composition_valid for one in found] + missing),
        "uniqueness": _share(first),
    }
    near = _distances(found, reference)
    for name in ("perov", "mp20"):
        limits = CUTOFFS[name]
        masks = near[0] <= limits.structure, near[1] <= limits.composition

        def recall(rows: NDArray[np.int64], masks: Any = masks) -> float:
            structure, composition = (mask[rows].any(0) for mask in masks)
            return float((structure & composition).mean())

        covered = masks[0].any(1) & masks[1].any(1)
        values[f"coverage recall, {name}"] = _resampled(recall, len(near[0]))
        values[f"coverage precision, {name}"] = _share(
            [*covered, *[False] * (drawn.number - len(covered))]
        )
    for title, attribute in (("densities (g/cm³)", "density"), ("numbers of elements", "elements")):
        sample = np.array([getattr(found[index], attribute) for index in valid])
        truth = [getattr(one, attribute) for one in reference]
        values[f"distance of {title}"] = _resampled(
            lambda rows, sample=sample, truth=truth: wasserstein_distance(sample[rows], truth),
            len(sample),
        )
    return values


def _distances(
    found: Sequence[Validity], reference: Sequence[Validity]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distances of both fingerprints, ``(sampled, reference)``."""
    sets = [[one.fingerprint for one in some if one.fingerprint] for some in (found, reference)]
    structure = [np.stack([one.structure for one in some]) for some in sets]
    composition = [standardise(np.stack([one.composition for one in some])) for some in sets]
    return cdist(*structure), cdist(*composition)


def _share(flags: Sequence[bool]) -> Value:
    """Return a share and its standard error, which is not zero where all or none are counted."""
    if not flags:
        return float("nan"), float("nan")
    # Of one success and one failure more (Agresti, Coull, Am. Stat. 52, 119 (1998)).
    number = len(flags) + 2
    smoothed = (sum(flags) + 1) / number
    return float(np.mean(flags)), float(np.sqrt(smoothed * (1.0 - smoothed) / number))


def _resampled(metric: Callable[[NDArray[np.int64]], float], number: int) -> Value:
    """Return a metric of all crystals, and its standard deviation over resampled ones."""
    if not number:
        return float("nan"), float("nan")
    generator = np.random.default_rng(0)
    spread = [metric(generator.integers(number, size=number)) for _ in range(RESAMPLES)]
    return metric(np.arange(number)), float(np.std(spread))


def page(
    columns: Mapping[str, Mapping[str, Value]], options: argparse.Namespace, model: TrainedModel
) -> str:
    """Return the record as Markdown."""
    names = list(columns)
    first = columns[names[0]]
    rows = [[key, *(_shown(key, columns[name][key]) for name in names)] for key in first]
    time_key = next(iter(first))
    faster = [f"{first[time_key][0] / columns[name][time_key][0]:.1f}" for name in names]
    rows.insert(1, ["times faster", *faster])
    different = []
    for name in names[1:]:
        for key, (value, error) in list(first.items())[1:]:
            other, its = columns[name][key]
            if abs(other - value) > 2.0 * np.hypot(error, its):
                different.append(f"{name}: {key}")
    sentences = (
        f"{options.number} latent vectors of the prior, and {options.limit} crystals of the test "
        f"set to reconstruct, of which {options.reference} at most are the reference of coverage "
        "and distances. One thread, and the same latent vectors, cells and first positions for "
        "every sampler. A sampler is written NAME/LEVELS/STEPS where these are not its defaults. "
        "The number after ± is one standard error.",
        f"More than two standard errors from {names[0]}: {'; '.join(different) or 'nothing'}.",
    )
    facts = {"run": model.folder.name} | _measure.machine(("torch", "matminer", "pymatgen"))
    table = _measure.markdown_table(["", *names], rows)
    parts = ("# Samplers of one model", *sentences, table, _measure.markdown_list(facts))
    return "\n\n".join(parts) + "\n"


def _shown(key: str, value: Value) -> str:
    number, error = value
    if key.startswith(("distance", "processor")):
        return f"{number:.4g}" + ("" if np.isnan(error) else f" ± {error:.2g}")
    return f"{100 * number:.1f} ± {100 * error:.1f} %"


if __name__ == "__main__":
    main()
