"""The run folder: what a run leaves behind, and where."""

from __future__ import annotations

import csv
import math
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

import torch

from matsciml_core.errors import ConfigError
from matsciml_core.files import open_whole_text, read_object, write_json
from matsciml_core.model.evaluate import Scores
from matsciml_core.model.latest import follow_latest

CONFIG = "config.yaml"
METRICS = "metrics.csv"
PREDICTIONS = "predictions-test.csv"
SUMMARY = "run.json"
"""Written last: a run whose summary does not say ``finished`` was interrupted."""
FINISHED = "finished"
CHECKPOINTS = "checkpoints"
LAST_CHECKPOINT = "last.ckpt"
BEST_CHECKPOINT = "best.ckpt"

_PACKAGES = (
    "matsciml",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "lmdb",
    "moyopy",
    "vesin",
    "pymatgen",
)


def create_run_folder(output: str | os.PathLike[str], parts: Sequence[str]) -> Path:
    """Create a new run folder.

    Args:
        output: Parent folder.
        parts: What names the run: dataset, encoder, target.

    Returns:
        The folder, named by time and parts.

    Raises:
        ConfigError: The parent folder cannot be written.
    """
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    name = "-".join([stamp, *parts]).replace("/", "_")
    parent = Path(output)
    for number in count(1):  # runs may start within one second
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigError(
                f"The output folder '{parent}' cannot be written ({error.strerror}); name another "
                "with --output."
            ) from error
        break
    return folder


def find_run(path: str | os.PathLike[str]) -> Path:
    """Return the run folder a path names.

    Raises:
        ConfigError: It is no run folder.
    """
    folder = follow_latest(Path(path))
    if not (folder / CONFIG).is_file():
        raise ConfigError(
            f"'{path}' is not a run folder ('{CONFIG}' is missing); name one, for example "
            "runs/latest."
        )
    return folder.resolve()


def read_metrics(folder: Path) -> list[dict[str, str]]:
    """Return the lines of ``metrics.csv``, one per finished epoch; none where there is no file."""
    file = folder / METRICS
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def check_history(folder: Path) -> None:
    """Check that ``metrics.csv`` of a run that goes on is whole, where there is one.

    Raises:
        ConfigError: It has no epochs, or one without its numbers.
    """
    try:
        rows = read_metrics(folder)
        whole = bool(rows) or not (folder / METRICS).is_file()
        for row in rows:
            int(row["epoch"]), int(row["step"]), float(row["seconds"])
    except (ValueError, TypeError, KeyError, csv.Error):  # text, a row that is cut off, no column
        whole = False
    if not whole:
        raise ConfigError(
            f"'{folder / METRICS}' is damaged, and what the run has learnt so far cannot be told; "
            f"start again with: matsciml run --config {shlex.quote(str(folder / CONFIG))}"
        )


def finished_epochs(folder: Path) -> int:
    """Return after how many epochs the run was finished; 0 where it was not."""
    summary = read_object(folder / SUMMARY) or {}
    return int(summary.get("epochs", 0)) if summary.get("status") == FINISHED else 0


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write ``run.json``; numbers that are not finite become null."""
    write_json(folder / SUMMARY, _plain(summary))


def write_predictions(folder: Path, scores: Mapping[str, Scores]) -> None:
    """Write one line per labelled value of the test set.

    ``index`` counts the numbers of a crystal's label: width · atom + component, where atom is 0 for
    a label per crystal, and width and component are those of ``TargetInfo``. Classes are written as
    the predicted class with its ``probability``, and heads that know it give the standard deviation
    of a prediction, its ``spread``; where there are none, these columns are left away.
    """
    more = [("probability", any(score.info.is_class for score in scores.values()))]
    more += [("spread", any(score.spreads for score in scores.values()))]
    header = ["dataset", "target", "id", "index", "label", "prediction"]
    header += [name for name, present in more if present]
    with open_whole_text(folder / PREDICTIONS, newline="") as stream:
        writer = csv.DictWriter(stream, header)
        writer.writeheader()
        for key, score in scores.items():
            dataset, _, target = key.partition("/")
            spreads = torch.cat(score.spreads).tolist() if score.spreads else []
            for number, row in enumerate(_prediction_rows(score)):
                entry = dict(zip(header[2:6], row, strict=False), dataset=dataset, target=target)
                entry |= {"probability": row[4]} if len(row) > 4 else {}
                entry |= {"spread": repr(spreads[number])} if spreads else {}
                writer.writerow(entry)


def _prediction_rows(score: Scores) -> Iterator[list[str | int]]:
    """Yield id, index, label and prediction, and for classes the probability, of each value."""
    if not score.ids:
        return
    labels = torch.cat(score.labels)
    values = torch.cat(score.predictions)
    if score.info.is_class:
        if values.dim() == 1:  # the probability of class 1 of two
            chosen = (values > 0.5).to(torch.int64)
            probability = torch.where(values > 0.5, values, 1.0 - values)
        else:
            probability, chosen = values.max(dim=1)
        columns = (one.tolist() for one in (labels, chosen, probability))
        for name, atom, label, choice, share in zip(score.ids, score.atoms, *columns, strict=True):
            yield [name, atom, int(label), choice, f"{share:.6g}"]
        return
    flat = labels.reshape(len(score.ids), -1), values.reshape(len(score.ids), -1)
    rows = zip(score.ids, score.atoms, *(part.tolist() for part in flat), strict=True)
    for name, atom, label_row, value_row in rows:
        for component, pair in enumerate(zip(label_row, value_row, strict=True)):
            yield [name, atom * score.info.width + component, *map(repr, pair)]


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware(device: torch.device) -> dict[str, Any]:
    """Return what the run computes on."""
    return {
        "device": str(device),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": _memory_gib(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "platform": platform.platform(),
    }


def command_line() -> str:
    """Return the command that started this process, as a user would type it."""
    program = Path(sys.argv[0])
    # What python -m runs, by a scheduler or in an environment of plugins.
    name = "matsciml" if program.name == "__main__.py" else program.name
    return shlex.join([name, *sys.argv[1:]])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
