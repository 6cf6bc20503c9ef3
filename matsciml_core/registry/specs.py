"""Frozen records that plugins return from hooks. Nothing here imports torch.

A spec says what a component is called, what it can do, and where its class lives. The class
itself is named by a string and imported by :meth:`Spec.load` only when a run needs it, which is
what keeps ``matsciml list-plugins`` and ``--help`` fast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from matsciml_core.errors import PluginLoadError, RegistryError
from matsciml_core.registry.published import BenchmarkTask, PublishedNumber
from matsciml_core.registry.targets import TargetInfo, TargetKind

_NAME = re.compile(r"[a-z0-9][a-z0-9+._-]*")
_CLASS_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_PATHS = ("inventory", "fetch_config", "detect", "samples")
"""Fields of some records that name something to import, beside the two that all records have."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A publication to cite when a component is used."""

    key: str
    """BibTeX key, for example ``chen2019megnet``."""
    authors: str
    """Authors in BibTeX form, joined by ``and``."""
    title: str
    venue: str
    """Journal with volume and pages, or the preprint server."""
    year: int
    doi: str = ""

    @property
    def citation(self) -> str:
        """Authors, title, venue and year on one line, without the DOI."""
        authors = self.authors.replace(" and ", "; ")
        return f"{authors}: {self.title}. {self.venue} ({self.year})"

    def bibtex(self) -> str:
        """Return the reference as a BibTeX entry."""
        fields = {
            "author": self.authors,
            "title": f"{{{self.title}}}",
            "journal": self.venue,
            "year": str(self.year),
            "doi": self.doi,
        }
        # Braces around the title keep BibTeX from lowering the capitals of elements and acronyms.
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        return f"@article{{{self.key},\n{body}\n}}"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every component declares."""

    kind: ClassVar[str] = "component"

    name: str
    """What users type: lower case, unique within its kind."""
    summary: str
    """One line for ``list-plugins``."""
    class_path: str
    """``"package.module:Class"``, imported by :meth:`load` and never before."""
    config: str | None = None
    """``"package.config:Class"``, a ``matsciml_core.Config``; None: there is nothing to set."""
    requires: tuple[str, ...] = ()
    """Requirements beyond the distribution's own, checked by ``doctor`` and before loading."""
    requires_note: str = ""
    """Where those requirements cannot be met, as a clause for the end of a sentence; ``doctor``
    says it where they are missing."""
    references: tuple[Reference, ...] = ()
    licence: str = ""

    def __post_init__(self) -> None:
        """Check the name and the two import strings."""
        # Names are typed in a shell and become keys of files, so that blanks and capitals are out.
        if not _NAME.fullmatch(self.name):
            raise RegistryError(
                f"'{self.name}' is not a valid {self.kind} name; use lower-case letters, digits, "
                "'-', '_', '.' and '+', beginning with a letter or digit."
            )
        others = (getattr(self, field, None) for field in _PATHS)
        for text in (self.class_path, self.config, *others):
            if text is not None and not _CLASS_PATH.fullmatch(text):
                raise RegistryError(
                    f"The {self.kind} '{self.name}' names '{text}'; "
                    'write it as "package.module:Class".'
                )

    def load(self) -> Any:
        """Import and return the component's class.

        Raises:
            PluginLoadError: The module cannot be imported or has no such class.
        """
        return self.load_named(self.class_path)

    def load_config(self) -> Any | None:
        """Import and return the component's config class, or None.

        Raises:
            PluginLoadError: The module cannot be imported or has no such class.
        """
        return None if self.config is None else self.load_named(self.config)

    def load_named(self, path: str) -> Any:
        """Import and return something that the record names.

        Args:
            path: ``"package.module:name"``.

        Raises:
            PluginLoadError: The module cannot be imported or has nothing of that name.
        """
        module, _, name = path.partition(":")
        # The one place where a component's own code is first run, and what is wrong is explained.
        try:
            return getattr(import_module(module), name)
        except Exception as error:  # whatever a plugin's module raises
            raise PluginLoadError(
                f"The {self.kind} '{self.name}' could not be loaded from '{path}': "
                f"{type(error).__name__}: {error}. Run 'matsciml doctor' for what is missing."
            ) from error


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What of a dataset is on this machine, as far as can be told without reading it."""

    where: str
    """Where the data lies, as text."""
    sizes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """Labelled crystals for training, validation and test of the default split, by label; a label
    that the data lacks is absent."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(Spec):
    """A dataset: crystals with labels.

    >>> DatasetSpec(name="mine", summary="My crystals.", class_path="mine.dataset:Mine").name
    'mine'
    """

    kind: ClassVar[str] = "dataset"

    targets: tuple[TargetInfo, ...] = ()
    """The labels on offer; the first one is what ``run`` trains when no target is named."""
    size: int | None = None
    """Number of crystals of the default source, where known without opening it."""
    source: str = ""
    """Where the data comes from, with its release."""
    extent: str = ""
    """How much there is at the source, as text: records, bytes to fetch, time it takes."""
    splits: Mapping[str, str] = field(default_factory=dict)
    """The splits on offer, the default one first: name → one sentence that says how it is made."""
    known_problems: tuple[str, ...] = ()
    """What one should know before trusting the data, one sentence each: what is wrong at the
    source, what was fixed here, and what cannot be fixed."""
    fetch: str | None = None
    """``"package.module:function"``: fetches the data and makes a store of it; the function takes
    a ``matsciml_core.data.fetch.FetchRequest`` and returns the store's folder. None: nothing to
    fetch."""
    fetch_advice: str = ""
    """What to know before fetching, for the error where nothing was fetched: how long it takes,
    and how to try with less."""
    fetch_config: str | None = None
    """``"package.config:Class"``, a ``matsciml_core.Config``: what ``matsciml data fetch --set``
    may set; the function finds it in ``FetchRequest.options``. None: there is nothing to set."""
    readers: Mapping[str, str] = field(default_factory=dict)
    """Foreign formats of this dataset that ``matsciml data convert --from`` reads: name →
    ``"package.module:function"``, which takes a path and returns a
    ``matsciml_core.data.ingestion.conversion.Conversion``."""
    tasks: tuple[BenchmarkTask, ...] = ()
    """Rows of a published benchmark that the dataset serves."""
    published: tuple[PublishedNumber, ...] = ()
    """Errors that others reached on the same crystals, which reports set beside a run's."""
    inventory: str | None = None
    """``"package.module:function"``: called without arguments, returns an :class:`Inventory`, or
    None where no data is on this machine. The module must not import torch."""

    def load_fetch_config(self) -> Any | None:
        """Import and return the class of the fetch's settings, or None.

        Raises:
            PluginLoadError: The module cannot be imported or has no such class.
        """
        return None if self.fetch_config is None else self.load_named(self.fetch_config)

    def take_inventory(self) -> Inventory | None:
        """Return what of the dataset is on this machine; None: nothing, or that is not known.

        Raises:
            PluginLoadError: The function cannot be imported.
        """
        if self.inventory is None:
            return None
        inventory: Inventory | None = self.load_named(self.inventory)()
        return inventory


@dataclass(frozen=True, kw_only=True)
class EncoderCapabilities:
    """What an encoder promises; the conformance kit tests exactly this."""

    symmetry: Literal["E(3)", "SE(3)", "none"] = "E(3)"
    """``E(3)``: invariant to rotation, reflection and translation. ``SE(3)``: not to reflection."""
    neighbours: Literal["radius", "none"] = "radius"
    """Which neighbourhood the batch must carry."""
    supercell: bool = True
    """Whether the crystal embedding is the same for every supercell (mean read-out)."""
    smooth_cutoff: bool = False
    """Whether the embedding is continuous as a pair crosses the cutoff."""
    differentiable: bool = True
    """Whether gradients with respect to positions exist (needed for forces)."""
    asymmetric_unit: bool = False
    """Whether it passes messages on a ``MessageGraph``, so that it can work with the edges into
    symmetry-distinct atoms only."""
    tensors: bool = False
    """Whether the embedding holds vectors and matrices that turn with the crystal, which heads for
    such labels need (``matsciml_core.TensorEmbedding``)."""
    learns: bool = True
    """Whether there is anything to train; descriptors that are computed have no parameters."""
    presets: tuple[str, ...] = ()
    """Named sets of hyperparameters; the first one is the default."""


PLAIN_TRAINING: Mapping[str, Any] = MappingProxyType(
    {"schedule": "one-cycle", "weight_decay": 0.0, "average_decay": 0.0, "precision": "float32"}
)
"""Settings of the ``training`` section for presets of papers, which are trained as published: Adam
without weight decay, in float32, and no average of the weights."""


@dataclass(frozen=True, kw_only=True)
class EncoderSpec(Spec):
    """An encoder: a batch of crystals → an embedding of its atoms and crystals."""

    kind: ClassVar[str] = "encoder"

    capabilities: EncoderCapabilities = EncoderCapabilities()
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the run's ``training`` section that suit this encoder; the user's own win."""
    preset_training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The same for a preset that is trained in another way, by its name, in place of ``training``:
    ``{"table6": PLAIN_TRAINING}``."""
    bfloat16: tuple[str, ...] = ()
    """Presets that are trained in bfloat16 where the device has instructions for it: those whose
    test error after equal epochs was measured to be within 2 % of float32's over three seeds."""

    def __post_init__(self) -> None:
        """Freeze the suggested settings."""
        super().__post_init__()
        presets = {name: MappingProxyType(dict(one)) for name, one in self.preset_training.items()}
        object.__setattr__(self, "training", MappingProxyType(dict(self.training)))
        object.__setattr__(self, "preset_training", MappingProxyType(presets))

    def training_of(self, preset: str | None) -> Mapping[str, Any]:
        """Return the settings of the ``training`` section that suit a preset.

        Args:
            preset: Its name; None: the default.
        """
        default = next(iter(self.capabilities.presets), None)
        name = default if preset is None else preset
        return self.preset_training.get(name, self.training) if name else self.training


@dataclass(frozen=True, kw_only=True)
class TaskHeadSpec(Spec):
    """A task head: embedding → prediction, with loss, metrics and units."""

    kind: ClassVar[str] = "task-head"

    target_kinds: tuple[TargetKind, ...]
    """The kinds of label it can train."""
    default: bool = False
    """Whether a run that names no head takes this one for its kinds of label, so that installing
    another head changes nothing until it is asked for."""
    joint: bool = False
    """Whether one head takes several labels of a dataset together, at most one of each kind: an
    energy and its forces are one task. Otherwise every label is a task of its own."""
    closed_form: bool = False
    """Whether it is a ``FeatureHead``, fitted at once on the embeddings of all training crystals;
    ``default`` then means: for runs without gradient steps."""


@dataclass(frozen=True, kw_only=True)
class StrategySpec(Spec):
    """A multi-task method (aggregator): what makes a step, and which gradient parameters get."""

    kind: ClassVar[str] = "strategy"

    max_tasks: int | None = None
    """Most tasks it can train together; None: any number."""
    max_datasets: int | None = None
    """Most datasets it can train on together; None: any number."""
    closed_form: bool = False
    """Whether it fits the heads at once, on a frozen encoder, and takes no gradient steps."""


@dataclass(frozen=True, kw_only=True)
class ReaderSpec(Spec):
    """A file format; ``class_path`` names a ``matsciml_core.data.readers.Reader``.

    Everything by which the reader of a file is chosen stands here, so that choosing imports none.
    Suffixes and patterns are compared without regard to case, and without the ending of a
    compression (``.gz``, ``.bz2``, ``.xz``, ``.zst``), which the core unpacks.
    """

    kind: ClassVar[str] = "reader"

    suffixes: tuple[str, ...] = ()
    """Endings of its files' names, with their dot: ``.cif``."""
    file_names: tuple[str, ...] = ()
    """Names of its files, or patterns such as ``POSCAR*``; they count more than endings."""
    folder_files: tuple[str, ...] = ()
    """Where its files lie in a folder that is named as a whole, as patterns relative to it, such as
    ``*.cif`` or ``*/POSCAR``; empty: its files are named one by one."""
    supersedes: tuple[str, ...] = ()
    """Readers whose files in the same folder tell less of the same calculation, and are passed over
    where the folder is named as a whole: ``poscar`` beside what holds all steps."""
    detect: str | None = None
    """``"package.module:function"``: called with a path and the first bytes of the file, unpacked
    (of a folder: none), it returns whether this is the format. The module must not import torch."""
    cartesian: bool = False
    """Whether positions are Cartesian by definition of the format, so that fractions are a mistake
    of whatever wrote the file, which ``--fractional`` corrects."""
    streams: bool = True
    """Whether memory stays flat, however many records a file has."""
    quantities: tuple[TargetInfo, ...] = ()
    """The labels whose meaning and unit the format itself defines, by the keys of its records."""
    writer: str | None = None
    """``"package.module:function"``: called with crystals, the declarations of their labels by name
    and a path, it writes a file of the format there and returns a ``Written`` of
    ``matsciml_core.data.readers``; None: the format is read, and not written."""
    output_suffix: str | None = None
    """What ``matsciml data export`` adds to a dataset's name; None: the first of the suffixes."""
    samples: str | None = None
    """``"package.module:function"``: called with an empty folder, it returns ``Sample`` records of
    ``matsciml_core.testing.reader``, files of the format with what they hold; ``matsciml check``
    reads them."""

    def __post_init__(self) -> None:
        """Check the suffixes."""
        super().__post_init__()
        for suffix in self.suffixes:
            if not suffix.startswith(".") or suffix != suffix.lower():
                raise RegistryError(
                    f"The reader '{self.name}' has the suffix '{suffix}'; write it in lower case "
                    "and with its dot, for example '.cif'."
                )


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A subcommand of the command line; ``class_path`` names a function that typer can run."""

    kind: ClassVar[str] = "command"

    group: str = "Other"
    """Heading under which ``matsciml --help`` lists it: ``Train``, ``Use a model``, ``Evaluate``,
    ``Data``, ``Plugins``, or a heading of the plugin's own."""
    run_option: str = ""
    """Option of this command, ``--number`` for example, whose value ``matsciml run --NAME VALUE``
    gives: a run with the option ``--NAME`` is this command with that option. It must take the
    options of ``matsciml run``. Empty: a run has no such option."""


@dataclass(frozen=True, kw_only=True)
class LoggerSpec(Spec):
    """A Lightning logger; ``class_path`` is called with the run folder, a ``Path``, to build it."""

    kind: ClassVar[str] = "logger"

    default: bool = True
    """Whether it logs runs that name no loggers; one that sends metrics elsewhere should not."""


@dataclass(frozen=True, kw_only=True)
class CallbackSpec(Spec):
    """A Lightning callback for every run; ``class_path`` names its class."""

    kind: ClassVar[str] = "callback"


@dataclass(frozen=True, kw_only=True)
class BaselineSpec(Spec):
    """A model without a network that stands beside every run: a head on an encoder's embeddings.

    The head is fitted at once on the run's training crystals, and its predictions for the test set
    are scored as the run's own are. Encoder and head are looked up by name.
    """

    kind: ClassVar[str] = "baseline"

    class_path: str = "matsciml_core.training.baselines:FeatureBaseline"
    """What fits and predicts, called with the record, the registry and a dataset of the run; the
    default reads the fields below."""
    encoder: str
    """Name of an encoder that learns nothing."""
    head: str
    """Name of a head that is fitted at once."""
    head_options: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the head."""
    target_kinds: tuple[TargetKind, ...] = ("scalar", "binary", "multiclass")
    """The kinds of label that it is made for."""


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What the lifecycle hooks are told about a run."""

    folder: str
    """The run folder."""
    config: Mapping[str, Any]
    """The fully expanded configuration, as plain data."""
    datasets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The opened datasets by name, so that no plugin opens them a second time."""
    registry: Any = field(default=None, repr=False)
    """The registry in which the run's components were looked up; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a finished run hands to ``matsciml_after_fit``."""

    metrics: Mapping[str, Mapping[str, Any]]
    """Test metrics in physical units, by ``"<dataset>/<target>"``."""
    baselines: Mapping[str, Mapping[str, Any]]
    """Baselines' metrics, by ``"<dataset>/<target>"`` and predictor."""
    notes: tuple[str, ...] = ()
    """Lines that plugins returned from ``matsciml_after_fit``, for example where a report lies."""
    problems: tuple[str, ...] = ()
    """One sentence for each plugin whose ``matsciml_after_fit`` failed; the run itself is whole."""
