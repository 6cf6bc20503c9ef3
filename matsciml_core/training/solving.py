"""Runs without epochs: the heads are fitted at once, on the embeddings of a frozen encoder."""

from __future__ import annotations

import csv
import io
import time

from matsciml_core.files import write_whole
from matsciml_core.model.evaluate import evaluate
from matsciml_core.training import run_folder
from matsciml_core.training.outcome import Fitted
from matsciml_core.training.prepare import Run


def solve(run: Run, *, quiet: bool = False) -> Fitted:
    """Fit the heads of a prepared run, and write the one line of its ``metrics.csv``.

    Args:
        run: What to fit; its strategy says so.
        quiet: Whether to show no progress.

    Returns:
        How it went: the only epoch is the best one.
    """
    started = time.perf_counter()
    training = run.config.training
    run.encoder.to(run.device).requires_grad_(False)
    for task in run.tasks:
        task.head.to(run.device)
    batches = {
        name: (batch.to(run.device) for batch in loader if batch is not None)
        for name, loader in run.loader("train").items()
    }
    run.strategy.solve(run.encoder, run.tasks, batches, training.seed)
    seconds = time.perf_counter() - started
    scores = evaluate(run.encoder, run.tasks, run.loader("validation"), run.device)
    values = {
        f"validation/{key}/{name}": value
        for key, score in scores.items()
        for name, value in score.summary("model").items()
        if name not in ("unit", "count", "skill")
    }
    row = {"epoch": 0, "step": 0, "seconds": round(seconds, 3), **values}
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row))
    writer.writeheader()
    writer.writerow(row)
    write_whole(run.folder / run_folder.METRICS, text.getvalue().encode())
    if not quiet:
        errors = [f"{key} {value:.4g}" for key, value in values.items() if key.endswith("/mae")]
        print("  ".join(["fitted", *errors, f"{seconds:.1f} s"]), flush=True)
    return Fitted(best_epoch=1, tested_epochs=(1,), stopped_early=False, budget=None)
