"""Starting from a trained model: weights of its encoder, and of the heads that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from matsciml_core.errors import ConfigError
from matsciml_core.files import hash_of
from matsciml_core.interfaces.batch import CrystalBatch
from matsciml_core.interfaces.encoder import Encoder
from matsciml_core.interfaces.strategy import Strategy, Task
from matsciml_core.model.location import DESCRIPTION, TENSORS, read_description
from matsciml_core.model.pretrained import PRETRAINED
from matsciml_core.model.storage import load_tensors, part_of
from matsciml_core.training.config import RunConfig

if TYPE_CHECKING:
    from matsciml_core.training.prepare import Run

ANCESTOR = "ancestor"
"""Key of a model's description for the record of the pretrained model that it goes back to."""


def freeze(config: RunConfig, encoder: Encoder, strategy: Strategy) -> None:
    """Keep the encoder from learning where the run asks for that.

    Raises:
        ConfigError: The strategy weighs the tasks' gradients of the encoder, and there are none.
    """
    if config.init.train == "all":
        return
    if strategy.needs_task_gradients:
        name = config.strategy.name if config.strategy else "this strategy"
        raise ConfigError(
            f"'init.train' is '{config.init.train}', but '{name}' decides what the encoder learns "
            "from each task; train 'all', or use a strategy that adds losses, such as additive."
        )
    if config.init.train == "last" and not encoder.last_layers:
        raise ConfigError(
            f"'{config.encoder.name}' does not say which of its layers are the last; train "
            "'all' or 'heads'."
        )
    encoder.requires_grad_(False)
    if config.init.train == "last":
        for name in encoder.last_layers:
            encoder.get_submodule(name).requires_grad_(True)


def describe_training(run: Run) -> str:
    """Return in a sentence how much of the model learns, before it does."""
    modules = [run.encoder, *(task.head for task in run.tasks)]
    parameters = [one for module in modules for one in module.parameters()]
    total = sum(one.numel() for one in parameters)
    learning = sum(one.numel() for one in parameters if one.requires_grad)
    sentence = f"start: {run.config.init.model}; {total:,} parameters, of which {learning:,} train"
    share = run.config.training.encoder_rate
    if share < 1.0 and any(one.requires_grad for one in run.encoder.parameters()):
        sentence += f", the encoder's at {share:g} times the learning rate"
    return sentence


def initialise(
    config: RunConfig,
    encoder: Encoder,
    tasks: Sequence[Task],
    training: Callable[[str], Iterable[CrystalBatch]],
) -> None:
    """Give encoder and heads the weights of the model that the run starts from, if there is one.

    Args:
        config: Of the run, resolved.
        encoder: Its encoder, with new weights.
        tasks: Its tasks, with heads that are fitted on the training set.
        training: Returns batches of a dataset's training set, by the dataset's name.

    Raises:
        ConfigError: The encoder does not fit.
        DataError: The model is damaged.
    """
    if config.init.model is None:
        return
    folder = Path(config.init.model)
    description = read_description(folder / DESCRIPTION)
    tensors = load_tensors(folder)
    _load_encoder(encoder, part_of(tensors, "encoder"), config, description)
    encoder.eval()
    for task, index in matching_heads(tasks, config, description).items():
        # What was fitted on the training set is a buffer, and belongs to the new data.
        task.head.adopt(part_of(tensors, f"heads.{index}"), encoder, training(task.dataset))
    encoder.train()


def describe_init(run: Run) -> dict[str, Any] | None:
    """Return what ``run.json`` says about the model that the run started from; None: there is none.

    Keys are ``model`` (its folder), ``hash`` (SHA-256 of its tensors), ``train``, ``heads`` (keys
    of the tasks whose heads started from its weights) and ``citations``; where the model came
    trained, or started from one that did, ``pretrained`` (its record) and ``seen`` (the datasets of
    this run of whose crystals that one has seen most).
    """
    if run.config.init.model is None:
        return None
    folder = Path(run.config.init.model)
    if not (folder / TENSORS).is_file():  # removed while the run was under way
        return {"model": str(folder), "train": run.config.init.train}
    description = read_description(folder / DESCRIPTION)
    found = matching_heads(run.tasks, run.config, description)
    record = description.get(PRETRAINED) or description.get(ANCESTOR)
    names = [prepared.name for prepared in run.datasets]
    origin = (
        {}
        if not isinstance(record, Mapping)
        else {
            PRETRAINED: record,
            "seen": [name for name in names if name in record.get("seen", ())],
        }
    )
    return {
        "model": str(folder),
        "hash": hash_of(folder / TENSORS),
        "train": run.config.init.train,
        "heads": [task.key for task in found],
        "citations": description.get("citations", []),
        **origin,
    }


def seen_before(init: Mapping[str, Any] | None) -> list[str]:
    """Say which datasets of a run its weights have seen before it: their test is none.

    Args:
        init: What :func:`describe_init` says of the run.

    Returns:
        A sentence for each such dataset.
    """
    if init is None:
        return []
    return [
        f"{name}: the pretrained model '{init[PRETRAINED].get('name')}' has seen most of these "
        f"crystals ({init[PRETRAINED].get('trained_on')}), the test set's among them; its error "
        "here says little about new crystals."
        for name in init.get("seen", [])
    ]


def matching_heads(
    tasks: Sequence[Task], config: RunConfig, description: Mapping[str, Any]
) -> dict[Task, int]:
    """Return the tasks whose heads start from the model's weights, with the number of its head.

    A head fits where kind of head and settings agree, and it predicts all labels of the task by
    names, kinds and units; of several the one for the same dataset, or else the first.
    """
    if config.init.heads == "new":
        return {}
    found: dict[Task, int] = {}
    for task in tasks:
        fitting = [n for n, entry in enumerate(description["heads"]) if _fits(task, entry)]
        same = [n for n in fitting if description["heads"][n]["dataset"] == task.dataset]
        if fitting:
            found[task] = (same or fitting)[0]
    return found


def _fits(task: Task, entry: Mapping[str, Any]) -> bool:
    head = task.head
    settings = {} if head.config is None else head.config.model_dump(mode="json")
    labels = [info.as_data() | {"description": ""} for info in head.targets]
    trained = [one | {"description": ""} for one in entry["targets"]]
    known = all(label in trained for label in labels)
    return entry["name"] == task.head_name and known and entry["config"] == settings


def _load_encoder(
    encoder: Encoder,
    state: Mapping[str, Tensor],
    config: RunConfig,
    description: Mapping[str, Any],
) -> None:
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        known = description["encoder"]["config"]
        changed = [
            f"encoder.{key}={value}"
            for key, value in config.encoder.options.items()
            if known.get(key, value) != value
        ]
        advice = (
            f"leave {' and '.join(changed)} away"
            if changed
            else "it was trained with another version of the encoder's plugin; install that one"
        )
        raise ConfigError(
            f"The encoder of this run does not fit the weights in '{config.init.model}'; {advice}."
        ) from error
