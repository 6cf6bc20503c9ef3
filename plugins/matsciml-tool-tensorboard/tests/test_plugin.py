"""The logger is on offer, is light to find, and writes what TensorBoard reads."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from matsciml_core import build_registry


def write(folder: Path, values: list[float]) -> None:
    logger = build_registry().get("logger", "tensorboard").load()(folder)
    for step, value in enumerate(values):
        logger.log_metrics({"train/loss": value}, step)
    logger.save()
    logger.finalize("success")


def read(folder: Path) -> list[float]:
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [event.value for event in events.Scalars("train/loss")]


def test_it_is_on_by_default() -> None:
    assert build_registry().get("logger", "tensorboard").default


def test_what_is_logged_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, [3.0, 2.0, 1.0])
    assert read(tmp_path) == [3.0, 2.0, 1.0]


def test_a_resumed_run_continues_in_the_same_folder(tmp_path: Path) -> None:
    write(tmp_path, [3.0])
    write(tmp_path, [2.0])
    assert sorted(read(tmp_path)) == [2.0, 3.0]
    assert all(path.is_file() for path in (tmp_path / "tensorboard").iterdir())
