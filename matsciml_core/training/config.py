"""The configuration of a run: one typed record in which flags, overrides and YAML meet."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from matsciml_core.device_names import check_device_name
from matsciml_core.errors import ConfigError, did_you_mean
from matsciml_core.files import write_whole
from matsciml_core.interfaces.config import Config, validate
from matsciml_core.model.objects import require_object
from matsciml_core.registry.setting_names import suggest_setting
from matsciml_core.training.config_data import merge

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry


Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""How much something counts beside others, dimensionless."""


class ComponentConfig(BaseModel):
    """A component by name, with its own settings beside it."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    name: str
    """Registry name, see ``matsciml list-plugins``."""

    @property
    def options(self) -> dict[str, Any]:
        """The component's own settings, checked by its plugin."""
        return dict(self.model_extra or {})


class SplitConfig(Config):
    """Which crystals train, validate and test."""

    name: str | None = None
    """A split the dataset offers; empty: its default."""
    seed: int = Field(default=0, ge=0)
    """Seed of the shuffle, where the split is made rather than shipped."""
    max_train_crystals: PositiveInt | None = None
    """Most crystals of each training set to use, drawn with the seed before those without a wanted
    label are left out, so that runs with other labels see the same crystals, and a smaller number
    some of them. Validation and test stay whole. Empty: all."""


class TrainingConfig(Config):
    """How the model is trained."""

    epochs: PositiveInt = 20
    """Passes over the training split."""
    minutes: PositiveFloat | None = None
    """Minutes that the run may take, test included, instead of ``epochs``: how many steps fit is
    measured on the first two epochs, which count, and looked after until the end."""
    plan: tuple[tuple[int, PositiveInt], ...] = ()
    """Instead of ``epochs``: pairs of a step and the steps of the run as of then, as ``run.json``
    of a run with ``minutes`` records them; repeats that run exactly."""
    batch_size: PositiveInt = 32
    """Most crystals in a batch."""
    max_atoms: PositiveInt | None = None
    """Most atoms in a batch, so that memory stays flat; empty: any number."""
    optimiser: Literal["adamw", "muon"] = "adamw"
    """``muon`` steps matrices of at least 16 rows and columns by Muon, and all else by AdamW; one
    learning rate serves both."""
    learning_rate: PositiveFloat = 1e-3
    """Peak learning rate of the optimiser."""
    encoder_rate: float = Field(default=1.0, gt=0.0, le=1.0)
    """Learning rate of the encoder as a share of ``learning_rate``, dimensionless: below 1 what a
    trained encoder knows outlives the first steps of new heads."""
    schedule: Literal["cosine", "one-cycle", "constant", "plateau"] = "cosine"
    """``cosine`` rises linearly during ``warm_up``, then falls to zero as a cosine; ``one-cycle``
    rises for the first 30 % of the steps, then falls to zero, both as a cosine; ``plateau`` rises
    like ``cosine`` and is multiplied by ``plateau_factor`` whenever the validation loss has not
    improved for ``plateau_epochs``."""
    warm_up: float = Field(default=2.0, ge=0.0)
    """Epochs over which the learning rate of ``cosine`` and ``plateau`` rises, at most 30 % of
    all; 0: it starts at the peak."""
    plateau_factor: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Factor of the learning rate of ``plateau``, dimensionless."""
    plateau_epochs: PositiveInt = 5
    """Epochs without a better validation loss after which ``plateau`` lowers the rate."""
    weight_decay: float = Field(default=0.1, ge=0.0)
    """Decoupled weight decay, for the matrices of encoder and heads; biases, gains of
    normalisation layers and embeddings do not decay."""
    gradient_clip: PositiveFloat | None = 10.0
    """Largest norm of the gradient; empty: not clipped."""
    accumulate_batches: PositiveInt = 1
    """Batches (of each dataset) whose gradients make one step: a larger batch in the memory of a
    smaller one."""
    inspect_gradients: int = Field(default=0, ge=0)
    """Steps between two records of the angles between the tasks' gradients in ``gradients.csv``;
    0: none are recorded."""
    average_decay: float = Field(default=0.995, ge=0.0, lt=1.0)
    """Decay per step of the exponential moving average of the weights that is validated, tested
    and saved; after t steps at most (1 + t)/(10 + t). 0: the weights themselves."""
    average_last: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Share of the steps, from the last backwards, whose weights are averaged with equal shares
    (stochastic weight averaging) in place of the exponential average; until then the weights
    themselves are validated. Goes with a rate that stays up: ``schedule=constant``."""
    keep_best: PositiveInt = 1
    """Epochs of the lowest validation losses whose weights are kept as checkpoints."""
    tested: Literal["best", "last", "mean"] = "best"
    """Weights that are tested and saved as the model: of the ``best`` epoch on the validation
    part, of the ``last`` one, or the ``mean`` of those that ``keep_best`` keeps."""
    sample_weight: str | None = None
    """Label of the dataset, a number of at least 0 for each crystal, by which the crystal counts in
    the training loss: one of weight 2 as if it were there twice. ``dataset/label`` where only one
    of several datasets is meant. Empty: all count alike."""
    group_weights: Mapping[str, Mapping[NonNegativeInt, Weight]] = Field(default_factory=dict)
    """Weights in the training loss of the classes of a label, by label and class, for example
    ``training.group_weights.config_type.2=5``; classes that are not named have the weight 1. They
    multiply with ``sample_weight``."""
    weighted_validation: bool = False
    """Whether the validation loss, which decides about the best epoch, is weighted like that of
    training. Metrics are never weighted."""
    patience: PositiveInt | None = None
    """Epochs without a better validation loss after which training stops; the best weights are
    kept anyhow. Empty: training goes on to its end."""
    precision: Literal["auto", "float32", "float64", "bfloat16"] = "auto"
    """``bfloat16`` is automatic mixed precision, in which positions and losses stay in float32;
    ``auto``: that, where device and encoder are known to gain by it, float32 elsewhere."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of initial weights, batch order and dropout."""
    device: Annotated[str, AfterValidator(check_device_name)] = "auto"
    """``auto``, ``cpu``, ``cuda``, ``cuda:1``, …"""
    devices: PositiveInt = 1
    """GPUs of this machine, or processes on its processor, that share the crystals of each batch;
    the mathematics is that of one."""
    nodes: PositiveInt = 1
    """Machines, of ``devices`` each; srun or torchrun starts a process for every device of all."""
    checkpoint_minutes: PositiveFloat = 10.0
    """Minutes between two checkpoints within an epoch; the end of each epoch has one anyhow."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare batches ahead; 0: none."""
    asymmetric_unit: bool = True
    """Whether encoders that can are trained and validated on symmetry-distinct atoms only, which
    is the same mathematics with fewer edges; they are tested on whole crystals."""
    symprec: PositiveFloat = 1e-3
    """How far, Å, an atom may be from where symmetry puts it to count as equivalent."""
    loggers: tuple[str, ...] | None = None
    """Loggers of metrics besides ``metrics.csv``; empty: those that plugins switch on by default;
    ``[]``: none."""
    baseline_crystals: int = Field(default=20_000, ge=0)
    """Most training crystals for which baselines without a network are fitted beside the run; 0:
    none are."""
    cache_neighbours: bool = True
    """Whether to keep neighbour lists in memory, up to 2 GiB, rather than search every epoch."""

    @property
    def processes(self) -> int:
        """Number of processes that share each batch."""
        return self.nodes * self.devices

    @model_validator(mode="after")
    def _has_one_length(self) -> TrainingConfig:
        starts = [start for start, _ in self.plan]
        if starts != sorted(starts) or not all(0 <= start <= end for start, end in self.plan):
            raise ValueError("the steps of a plan must rise from 0, each before the run's end")
        if self.plan and self.minutes is not None:
            raise ValueError("a plan repeats a run with minutes; leave one of the two away")
        if self.tested == "mean" and self.keep_best < 2:
            raise ValueError("the mean of the best epochs needs several; set keep_best, such as 5")
        return self


class InitConfig(Config):
    """Which trained model a run starts from, and what of it goes on learning."""

    model: str | None = None
    """Folder of a finished run, or of an exported model; empty: new weights. The encoder is the
    model's, with its settings."""
    train: Literal["all", "last", "heads"] = "all"
    """``all``; ``last``: the heads and the last layers of the encoder; or ``heads`` on an encoder
    that stays exactly as the model has it."""
    heads: Literal["matching", "new"] = "matching"
    """``matching``: a head for labels that the model predicts too starts from the model's
    weights; ``new``: every head starts from new ones. What heads fit on the training set, such
    as means and reference energies, is always fitted anew."""

    @model_validator(mode="after")
    def _has_a_model_to_keep(self) -> InitConfig:
        if self.train != "all" and self.model is None:
            raise ValueError("only a trained encoder can stay as it is; name its run in init.model")
        return self


class RunConfig(Config):
    """Everything that decides what a run does. It names components and cannot hold code."""

    datasets: tuple[ComponentConfig, ...] = Field(min_length=1)
    """The datasets; ``dataset`` is accepted where there is one."""
    encoder: ComponentConfig
    """The encoder."""
    targets: tuple[str, ...] = ()
    """Labels to train, ``name`` or ``dataset/name``; empty: each dataset's first."""
    head: Mapping[str, Any] = Field(default_factory=dict)
    """Settings of the task heads; ``name`` picks a head other than the default for the label."""
    strategy: ComponentConfig | None = None
    """How tasks are trained together; empty: the plain gradient of one task."""
    split: SplitConfig = SplitConfig()
    """Which crystals train, validate and test."""
    training: TrainingConfig = TrainingConfig()
    """How the model is trained."""
    init: InitConfig = InitConfig()
    """Which trained model the run starts from."""
    output: str = "runs"
    """Folder that receives the run folder."""

    def section_of(self, dataset: ComponentConfig) -> str:
        """Return under which name a dataset's settings are given, for error messages.

        Args:
            dataset: One of ``datasets``.
        """
        return "dataset" if len(self.datasets) == 1 else f"datasets.{dataset.name}"


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the spellings a person may use into the one of :class:`RunConfig`.

    ``dataset`` with one mapping or name becomes ``datasets``; ``target`` becomes ``targets``; a
    component given by its bare name becomes a mapping, and so does a task head, a way to split, or
    the model to start from.

    Raises:
        ConfigError: ``dataset`` is given beside several ``datasets``.
    """
    data = dict(raw)
    datasets = [_component(item, "dataset") for item in _listed(data.pop("datasets", None))]
    single = data.pop("dataset", None)
    if single is not None:
        datasets = _with_single(datasets, single)
    data["datasets"] = datasets
    for key in ("target", "targets"):
        value = data.pop(key, None)
        if value is not None:
            data["targets"] = _listed(value)
    for section in ("encoder", "strategy"):
        if data.get(section) is not None:
            data[section] = _component(data[section], section)
    for section, setting in _BY_NAME.items():
        if isinstance(data.get(section), str):
            data[section] = {setting: data[section]}
    known = RunConfig.model_fields
    # An unknown key without a value is kept, so that it is refused and not lost.
    return {key: value for key, value in data.items() if value is not None or key not in known}


def override(data: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    """Let sections that are given one by one win over a configuration.

    A component that is named anew loses the settings of the one before; settings without a name
    are joined with those that are there.

    Args:
        data: A configuration as plain data, in any spelling.
        sections: Sections of it, in any spelling; None where a section is not given.

    Returns:
        The configuration in the spelling of :class:`RunConfig`.

    Raises:
        ConfigError: Settings of a dataset are given without a name, and there are several datasets;
            or a section and a plain value meet.
    """
    result = normalise(data)
    given = {key: value for key, value in sections.items() if value is not None}
    single, several = given.pop("dataset", None), _listed(given.pop("datasets", None))
    if several:
        present = {item.get("name"): item for item in result["datasets"]}
        items = [_component(item, "dataset") for item in several]
        result["datasets"] = [{**present.get(item.get("name"), {}), **item} for item in items]
    if single is not None:
        result["datasets"] = _with_single(result["datasets"], single)
    for section in ("encoder", "strategy"):
        if section in given:
            component, old = _component(given.pop(section), section), result.get(section, {})
            renamed = component.get("name", old.get("name")) != old.get("name")
            result[section] = component if renamed else merge({**old}, component)
    rest = normalise(given)
    del rest["datasets"]
    return merge(result, rest)


def build_config(raw: Mapping[str, Any]) -> RunConfig:
    """Validate plain data as the configuration of a run.

    Raises:
        ConfigError: Something is missing, unknown, or of the wrong type.
    """
    data = normalise(raw)
    if not data["datasets"]:
        raise ConfigError(
            "No dataset is named; add --dataset NAME, see 'matsciml list-plugins --kind dataset'."
        )
    if "encoder" not in data:
        raise ConfigError(
            "No encoder is named; add --encoder NAME, see 'matsciml list-plugins --kind encoder'."
        )
    _check_sections(data)
    names = [item.get("name") for item in data["datasets"]]
    if None in names:
        raise ConfigError(
            "A dataset has no name; write 'dataset: {name: NAME}', or a list of such mappings "
            "under 'datasets', or add --dataset NAME."
        )
    for name in names:
        if names.count(name) > 1:  # labels and losses go by the names of datasets
            raise ConfigError(f"The dataset '{name}' is named more than once; name it once.")
    data["training"] = validate(TrainingConfig, data.get("training", {}), where="training")
    data["split"] = validate(SplitConfig, data.get("split", {}), where="split")
    data["init"] = validate(InitConfig, data.get("init", {}), where="init")
    return validate(RunConfig, data, where="")


def require_objects(config: RunConfig, registry: Registry) -> None:
    """Reject a configuration of a run with objects that have not been handed over again.

    Args:
        config: The configuration.
        registry: With the objects that were handed over.

    Raises:
        ConfigError: A component cannot be built by its name.
    """
    require_object("encoder", config.encoder.name, config.encoder.options, registry)
    for item in config.datasets:
        require_object("dataset", item.name, item.options, registry)


def dump_config(config: RunConfig) -> dict[str, Any]:
    """Return the configuration as plain data, ready for YAML."""
    return config.model_dump(mode="json")


def write_config(config: RunConfig, path: str | os.PathLike[str]) -> None:
    """Write the configuration as YAML, in the order of its sections."""
    text = yaml.safe_dump(dump_config(config), sort_keys=False, allow_unicode=True)
    write_whole(Path(path), text.encode())


def _check_sections(data: Mapping[str, Any]) -> None:
    """Refuse unknown sections, and plain values where a section has settings of its own."""
    for key, value in data.items():
        if key in TrainingConfig.model_fields:
            raise ConfigError(f"'{key}' is a setting of 'training'; write 'training.{key}'.")
        if key not in RunConfig.model_fields:
            sections = ("dataset", "target", *RunConfig.model_fields)
            raise ConfigError(
                f"'{key}' is not a section of a run.{suggest_setting(key, sections)}"
                f" Sections: {', '.join(RunConfig.model_fields)}."
            )
        if key in _EXAMPLES and not isinstance(value, Mapping):
            raise ConfigError(
                f"'{key}' is {value!r}, but it is a section with settings of its own; set one of "
                f"them, for example '{key}.{_EXAMPLES[key]}'."
            )
    name = data.get("head", {}).get("name")
    if not isinstance(name, str | None):
        raise ConfigError(f"'head.name' is {name!r}; give the name of one task head.")


_BY_NAME = {"head": "name", "split": "name", "init": "model"}
"""The setting that a bare string means, by section."""
_EXAMPLES = {**_BY_NAME, "training": "epochs"}
"""A setting to name as an example, by section."""


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _component(value: Any, section: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, Mapping):
        return dict(value)
    raise ConfigError(
        f"'{section}' is {value!r}; give a name, or a mapping with 'name' and settings."
    )


def _with_single(datasets: list[dict[str, Any]], single: Any) -> list[dict[str, Any]]:
    """Apply a ``dataset`` section to the one dataset of the run."""
    section = _component(single, "dataset")
    if len(datasets) > 1:
        names = ", ".join(item.get("name", "?") for item in datasets)
        raise ConfigError(
            f"'dataset' settings are ambiguous with several datasets ({names}); give them in the "
            "'datasets' list of a configuration file."
        )
    old = datasets[0] if datasets else {}
    if section.get("name", old.get("name")) != old.get("name"):
        return [section]
    return [{**old, **section}]


def check_choice(value: str, choices: Sequence[str], *, what: str) -> None:
    """Refuse a value that is not one of the choices.

    Raises:
        ConfigError: With the closest choice.
    """
    if value not in choices:
        raise ConfigError(
            f"There is no {what} '{value}'.{did_you_mean(value, choices)}"
            f" Choices: {', '.join(choices) or 'none'}."
        )
