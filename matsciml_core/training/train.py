"""Training from Python and from the command line: one function for both."""

from __future__ import annotations

import math
import os
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matsciml_core.errors import ConfigError
from matsciml_core.files import read_object, refuse_links
from matsciml_core.interfaces.dataset import Dataset
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.model.evaluate import Beside, evaluate, undefined
from matsciml_core.model.latest import link_latest
from matsciml_core.model.storage import restore_model
from matsciml_core.registry.imported import STRUCTURES
from matsciml_core.registry.manager import build_registry
from matsciml_core.registry.specs import RunInfo, RunResult
from matsciml_core.training import after_fit, assemble, distributed, run_folder
from matsciml_core.training.baselines import predict_baselines
from matsciml_core.training.checkpoint import check_sound
from matsciml_core.training.config import (
    RunConfig,
    TrainingConfig,
    build_config,
    dump_config,
    write_config,
)
from matsciml_core.training.config_data import merge, read_config_file
from matsciml_core.training.faults import explained
from matsciml_core.training.improvement import is_trained
from matsciml_core.training.initial import describe_training, seen_before
from matsciml_core.training.outcome import Fitted, RunInterrupted
from matsciml_core.training.prepare import Run, prepare
from matsciml_core.training.request import Labels, Request, read_request
from matsciml_core.training.result import TrainingResult
from matsciml_core.training.segments import (
    begin_segment,
    check_changes,
    check_data,
    describe_length,
    locked,
    note_seconds,
)
from matsciml_core.training.solving import solve
from matsciml_core.training.structures import Unit
from matsciml_core.training.summary import (
    result_of,
    save_run_model,
    summarise,
    unseen_elements,
)
from matsciml_core.training.weights import say_weights

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry


def train(
    config: RunConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    dataset: Any = None,
    encoder: Any = None,
    targets: str | Sequence[str] | None = None,
    labels: Mapping[str, Sequence[Any]] | None = None,
    units: Mapping[str, Unit] | None = None,
    head: str | Mapping[str, Any] | None = None,
    strategy: str | Mapping[str, Any] | None = None,
    split: str | Mapping[str, Any] | None = None,
    init: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    output: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    registry: Registry | None = None,
    **training: Any,
) -> TrainingResult:
    """Train an encoder on a dataset, test it, and leave a run folder behind.

    The arguments are the sections of a run's configuration, and win over ``config``::

        matsciml_core.train(dataset="mp", encoder="megnet", targets="band_gap", epochs=5)
        matsciml_core.train(
            dataset=structures,  # pymatgen Structures, ASE Atoms or Crystals
            labels={"band_gap": [1.1, 0.0, None]},
            units={"band_gap": "eV"},
            encoder={"name": "egnn", "cutoff": 5.0},
        )

    Args:
        config: A configuration: :class:`RunConfig`, plain data, or a YAML file.
        dataset: A name; settings with a ``name``; a :class:`Dataset`; a list of these; or a list
            of structures, which are written as a store into the run folder.
        encoder: A name; settings with a ``name``; or an :class:`Encoder`, which is trained in
            place.
        targets: Labels to learn; None: the first one of each dataset, and all of ``labels``.
        labels: Labels of structures: a value for each, None where it is missing; forces and other
            arrays as ``(atoms, 3)`` and so on. None: what the structures carry themselves.
        units: Unit of each label, ``class`` or ``class(7)`` for classes, or a
            :class:`TargetInfo` for a label with a shape of its own.
        head: The task heads, a name or settings.
        strategy: How several tasks are trained together, a name or settings with one.
        split: How crystals are split, a name or settings, for example
            ``{"name": "composition", "seed": 1}``.
        init: The trained model to start from, for example ``"runs/latest"``, or settings with a
            ``model``.
        output: Parent of the run folder; None: ``runs``.
        resume: A run folder, to go on with that run from its last checkpoint; beside it, settings
            of the training may be given, and the objects that the run was started with. A run that
            was killed when it had finished, before its report was whole, gets that.
        quiet: Whether to show no progress.
        registry: Where names are looked up; None: among the installed plugins.
        **training: Settings of the training, such as ``epochs`` or ``minutes``, ``batch_size``,
            ``learning_rate``, ``seed`` and ``device``; ``matsciml info training`` lists them.

    Returns:
        Folder, test metrics, baselines, history, and the model.

    Raises:
        MatSciMLError: Something the user can fix is wrong.
        RunInterrupted: The user pressed Ctrl-C; ``resume`` goes on.
    """
    called = time.perf_counter()
    sections = {
        "dataset": dataset,
        "encoder": encoder,
        "targets": targets,
        "head": head,
        "strategy": strategy,
        "split": split,
        "init": os.fspath(init) if isinstance(init, os.PathLike) else init,
        "output": None if output is None else os.fspath(output),
        "training": training or None,
    }
    if training.get("minutes") is not None and training.get("epochs") is not None:
        raise ConfigError(
            "Both 'epochs' and 'minutes' are given; the length of a run is told by one of them."
        )
    registry = build_registry(strict=False) if registry is None else registry
    request = read_request(config, sections, Labels(values=labels, units=units), registry)
    folder = None if resume is None else run_folder.find_run(resume)
    _join(folder, {**(request.data.get("training") or {}), **training})
    with ExitStack() as stack:
        if folder is None:
            run, checkpoint = _open(request), None
            stack.enter_context(locked(run.folder))
        else:
            refuse_links(folder)  # everything in it is written again
            stack.enter_context(locked(folder))
            run, checkpoint = _reopen(folder, request, sections, quiet=quiet)
        stack.enter_context(explained(run))
        if folder is not None and checkpoint is None:
            return _report(run, request.registry, *_recorded_result(run))
        try:
            if not quiet and distributed.rank() == 0:
                _tell_of_choices(run)
            _record(run, request.registry)
            clock = time.perf_counter()
            # First, so that a budget of minutes counts them too.
            beside, notes = predict_baselines(run, request.registry, quiet=quiet)
            if run.strategy.closed_form:
                fitted = solve(run, quiet=quiet)
            else:
                from matsciml_core.training.fitting import fit  # noqa: PLC0415 - imports Lightning

                fitted = fit(run, request.registry, checkpoint, quiet=quiet, started=called)
            measured, summary = _finish(run, request.registry, fitted, beside, clock)
        except KeyboardInterrupt as stop:
            raise RunInterrupted(run.folder) from stop
        return _report(run, request.registry, measured, summary, notes)


def _report(
    run: Run,
    registry: Registry,
    measured: RunResult,
    summary: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> TrainingResult:
    """Tell the plugins that a run is finished, and return what is said of it.

    Args:
        run: The run, with the weights of its best epoch.
        registry: Where its components are from.
        measured: Metrics of the test set.
        summary: The content of ``run.json``.
        notes: What the baselines had to say.

    Raises:
        RunInterrupted: The user pressed Ctrl-C; the run is finished, and ``resume`` tells again.
    """
    try:
        result = registry.after_fit(_describe(run, registry), measured)
        after_fit.end(run.folder)
    except KeyboardInterrupt as stop:
        raise RunInterrupted(run.folder) from stop
    seen = (*unseen_elements(run, summary["elements"]), *seen_before(summary["init"]))
    result = replace(result, notes=(*undefined(measured.metrics), *seen, *result.notes, *notes))
    return TrainingResult(
        folder=run.folder.resolve(),
        run=run,
        **{one.name: getattr(result, one.name) for one in fields(RunResult)},
    )


def _tell_of_choices(run: Run) -> None:
    """Print what a user may not know: which weights are trained, and how crystals count."""
    if run.config.init.model is not None:
        print(describe_training(run), flush=True)
    if run.weights:
        print(say_weights(run.config.training, run.datasets, run.weights), flush=True)


def _finish(
    run: Run, registry: Registry, fitted: Fitted, beside: Beside, clock: float
) -> tuple[RunResult, dict[str, Any]]:
    """Evaluate a trained model, save it, and let ``run.json`` say that the run is finished.

    Args:
        run: The run, with the weights of its best epoch.
        registry: Where its components are from.
        fitted: How the training went.
        beside: Predictions of baselines for the test set.
        clock: When this segment of the run began, s.

    Returns:
        Metrics of the test set, and the content of ``run.json``.
    """
    test = evaluate(run.encoder, run.tasks, run.loader("test"), run.device, beside)
    validation = evaluate(run.encoder, run.tasks, run.loader("validation"), run.device)
    measured = result_of(test)
    run_folder.write_predictions(run.folder, test)
    note_seconds(run.folder, time.perf_counter() - clock)
    summary = summarise(run, registry, fitted, measured, result_of(validation))
    save_run_model(run, registry, summary, validation)
    after_fit.begin(run.folder)
    # Last, because it says that the run is finished.
    run_folder.write_summary(run.folder, summary)
    return measured, summary


def _recorded_result(run: Run) -> tuple[RunResult, dict[str, Any]]:
    """Give a finished run its weights back; return its metrics and the content of ``run.json``."""
    restore_model(run.folder, run.encoder, run.tasks)
    summary = read_object(run.folder / run_folder.SUMMARY) or {}
    metrics, baselines = summary["metrics"]["test"], summary["baselines"]
    result = RunResult(
        metrics={key: _numbers(values) for key, values in metrics.items()},
        baselines={
            key: {name: _numbers(values) for name, values in named.items()}
            for key, named in baselines.items()
        },
    )
    return result, summary


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics as they were measured: JSON has null for what is undefined."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def _join(resumed: Path | None, training: Mapping[str, Any]) -> None:
    """Meet the other processes of the run, where it has some that this one does not start."""
    if resumed is not None:
        data = read_config_file(resumed / run_folder.CONFIG)
        training = {**(data.get("training") or {}), **training}
    # Before anything is checked that costs time: only then ranks wait for one another.
    counts = TrainingConfig.from_options(
        {key: training[key] for key in ("nodes", "devices") if training.get(key) is not None},
        where="training",
    )
    distributed.join(counts.nodes, counts.devices)


def _open(request: Request) -> Run:
    """Prepare a new run; structures are written into its folder first, where it reads them."""
    if request.structures is None:
        return prepare(assemble.resolve(request.data, request.registry), request.registry)
    store: dict[str, Any] = {"name": STRUCTURES}
    draft = build_config({**request.data, "datasets": [store]})
    made = distributed.folder_of_rank_zero()
    folder = made or run_folder.create_run_folder(
        draft.output, [STRUCTURES, draft.encoder.name, "+".join(draft.targets)]
    )
    store["folder"] = str((folder / STRUCTURES).resolve())
    try:
        if made is None:
            request.structures.write(folder / STRUCTURES)
        config = assemble.resolve({**request.data, "datasets": [store]}, request.registry)
        return prepare(config, request.registry, folder)
    except BaseException:
        if made is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _reopen(
    folder: Path, request: Request, sections: Mapping[str, Any], *, quiet: bool
) -> tuple[Run, Path | None]:
    """Prepare a run that was interrupted, in its own folder; return it with its last checkpoint.

    None instead of a checkpoint means that the run is finished, and only plugins are to be told.
    """
    for key, value in sections.items():
        items = value if isinstance(value, list | tuple) else [value]
        is_object = all(isinstance(item, Dataset | Encoder) for item in items)
        if value is None or key == "training" or is_object:
            continue
        raise ConfigError(
            "A resumed run goes on as it was configured; only settings of the training, and the "
            "objects that it was started with, may be given with 'resume'."
        )
    checkpoint = folder / run_folder.CHECKPOINTS / run_folder.LAST_CHECKPOINT
    outstanding = run_folder.finished_epochs(folder) > 0 and after_fit.is_outstanding(folder)
    trained_at_once = outstanding and not checkpoint.is_file()  # runs without epochs have none
    if not trained_at_once and not checkpoint.is_file():
        raise ConfigError(
            f"'{folder}' has no checkpoint yet, so there is nothing to resume; start again with "
            f"matsciml run --config {shlex.quote(str(folder / run_folder.CONFIG))}"
        )
    if not trained_at_once:
        check_sound(checkpoint)
    run_folder.check_history(folder)
    data = _recorded_settings(folder)
    changes = dict(sections["training"] or {})
    if changes.get("epochs") is not None:  # instead of the length that the run had before
        changes |= {"minutes": None, "plan": []}
    if not trained_at_once:
        check_changes(data["training"], changes, checkpoint)
    before = dict(data["training"])  # which `merge` changes
    data = merge(data, {"training": changes})
    for dataset in data["datasets"]:
        if dataset["name"] == STRUCTURES and (folder / STRUCTURES).is_dir():
            dataset["folder"] = str(folder / STRUCTURES)  # the run folder may have been moved
    config = assemble.resolve(data, request.registry, adopt=False)
    complete = _why_complete(folder, config.training)
    if complete is not None and not outstanding:
        raise ConfigError(complete)
    run = prepare(config, request.registry, folder, resumed=True)
    check_data(folder, run.datasets)
    if trained_at_once or complete is not None:
        return run, None
    length = describe_length(folder, before, config.training)
    if length is not None and not quiet and distributed.rank() == 0:
        print(length, flush=True)
    return run, checkpoint


def _recorded_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a run, which it wrote down in full.

    Raises:
        ConfigError: They are damaged: what is missing would silently become a default.
    """
    file = folder / run_folder.CONFIG
    data = read_config_file(file)
    for section in ("datasets", "training"):
        if not data.get(section):
            raise ConfigError(
                f"'{file}' has no section '{section}', so that the run cannot go on as it began; "
                "put the file back as it was written, or start anew."
            )
    build_config(data)
    return data


def _why_complete(folder: Path, training: TrainingConfig) -> str | None:
    """Say why a run that was trained, tested and saved does not go on; None: it does.

    Raises:
        ConfigError: Fewer epochs are asked for than it has.
    """
    epochs = len(run_folder.read_metrics(folder))
    fixed = training.minutes is None and not training.plan
    if fixed and epochs > training.epochs:
        raise ConfigError(
            f"The run has trained {epochs} epochs already, and the best of them may be a later "
            f"one than {training.epochs}; ask for at least {epochs} --epochs."
        )
    # A run that went on after it was finished may have been stopped again before its test.
    if not epochs or run_folder.finished_epochs(folder) != epochs:
        return None
    budget = (read_object(folder / run_folder.SUMMARY) or {}).get("budget") or {}
    if training.minutes is not None and training.minutes <= budget.get("minutes", 0.0):
        return (
            f"The run has finished within its {training.minutes:g} minutes already, so there is "
            "nothing to resume; ask for more with --minutes."
        )
    planned = training.epochs if fixed else math.inf
    if training.plan or epochs >= planned:
        return (
            f"The run has finished its {epochs} epochs already, so there is nothing to resume; ask "
            "for more with --epochs."
        )
    if is_trained(folder, planned, training.patience):
        return (
            f"The run is finished: it stopped after {training.patience} epochs without a better "
            "validation loss; ask for more patience with --set training.patience=EPOCHS."
        )
    return None


def _describe(run: Run, registry: Registry) -> RunInfo:
    """Return what plugins are told about a run."""
    return RunInfo(
        folder=str(run.folder),
        config=dump_config(run.config),
        datasets={prepared.name: prepared.dataset for prepared in run.datasets},
        registry=registry,
    )


def _record(run: Run, registry: Registry) -> None:
    """Write down what is about to be trained, and tell the plugins."""
    if distributed.rank() == 0:
        write_config(run.config, run.folder / run_folder.CONFIG)
        begin_segment(run)
        for prepared in run.datasets:
            prepared.used.save(run.folder / f"split-{prepared.name}.json")
        link_latest(run.folder)
        registry.hook.matsciml_before_fit(run=_describe(run, registry))
