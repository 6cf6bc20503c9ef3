"""The hooks a plugin may implement.

A plugin is a module named by an entry point in the group ``matsciml.plugins``. It marks
functions with :data:`hookimpl` and returns frozen records; it must not import torch, because
every command, ``--help`` included, imports every plugin module.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from matsciml_core.registry.checks import CheckSpec
from matsciml_core.registry.environments import EnvironmentSpec
from matsciml_core.registry.pretrained import PretrainedSpec
from matsciml_core.registry.specs import (
    BaselineSpec,
    CallbackSpec,
    CommandSpec,
    DatasetSpec,
    EncoderSpec,
    LoggerSpec,
    ReaderSpec,
    RunInfo,
    RunResult,
    StrategySpec,
    TaskHeadSpec,
)

PROJECT = "matsciml"
"""Name under which pluggy matches hook implementations to these specifications."""

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a function as the specification of a hook; see ``matsciml_hookspecs``."""
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook with the same name."""


class MatSciMLSpecs:
    """Hook specifications of the core."""

    @hookspec
    def matsciml_datasets(self) -> Iterable[DatasetSpec]:
        """Offer datasets.

        Called once per process, when the registry is built. The records are listed by
        ``list-plugins``; the class a record names is imported when a run asks for it::

            @hookimpl
            def matsciml_datasets():
                yield DatasetSpec(
                    name="mine",
                    summary="My crystals.",
                    class_path="matsciml_data_mine.dataset:MineDataset",
                    targets=(TargetInfo(name="band_gap", kind="scalar", unit="eV"),),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_encoders(self) -> Iterable[EncoderSpec]:
        """Offer encoders.

        Called once per process, when the registry is built::

            @hookimpl
            def matsciml_encoders():
                yield EncoderSpec(
                    name="mine",
                    summary="My graph network.",
                    class_path="matsciml_model_mine.encoder:MineEncoder",
                    config="matsciml_model_mine.config:MineConfig",
                    capabilities=EncoderCapabilities(symmetry="E(3)", smooth_cutoff=True),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_task_heads(self) -> Iterable[TaskHeadSpec]:
        """Offer task heads.

        Called once per process, when the registry is built::

            @hookimpl
            def matsciml_task_heads():
                yield TaskHeadSpec(
                    name="mine",
                    summary="Quantile regression.",
                    class_path="matsciml_head_mine.head:QuantileHead",
                    target_kinds=("scalar",),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_strategies(self) -> Iterable[StrategySpec]:
        """Offer strategies: multi-task methods (aggregators).

        Called once per process, when the registry is built::

            @hookimpl
            def matsciml_strategies():
                yield StrategySpec(
                    name="mine",
                    summary="Random loss weights.",
                    class_path="matsciml_strategy_mine.strategy:RandomWeights",
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_readers(self) -> Iterable[ReaderSpec]:
        """Offer readers of file formats.

        Called once per process, when the registry is built. What is in a record decides which
        reader a file gets; its class is imported when the first file is read::

            @hookimpl
            def matsciml_readers():
                yield ReaderSpec(
                    name="mine",
                    summary="What my program writes.",
                    class_path="matsciml_reader_mine.reader:MineReader",
                    suffixes=(".mine",),
                    quantities=(TargetInfo(name="energy", kind="energy", unit="eV"),),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_commands(self) -> Iterable[CommandSpec]:
        """Offer extra verbs of the ``matsciml`` command line.

        Called once per process, when the command line is built. The function a record names is
        imported when the verb is used::

            @hookimpl
            def matsciml_commands():
                yield CommandSpec(
                    name="sweep",
                    summary="Run a sweep.",
                    class_path="matsciml_sweep.command:sweep",
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_callbacks(self) -> Iterable[CallbackSpec]:
        """Offer Lightning callbacks that every run gets.

        Called once per process; the callbacks are built when a run starts, each without
        arguments::

            @hookimpl
            def matsciml_callbacks():
                yield CallbackSpec(
                    name="energy",
                    summary="Meter the energy a run uses.",
                    class_path="matsciml_energy.callback:EnergyMeter",
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_loggers(self) -> Iterable[LoggerSpec]:
        """Offer Lightning loggers, which record a run's metrics besides ``metrics.csv``.

        Called once per process. A logger is built when a run starts, with the run folder; one
        whose record says ``default=False`` only where ``training.loggers`` names it::

            @hookimpl
            def matsciml_loggers():
                yield LoggerSpec(
                    name="mine",
                    summary="Metrics in my lab's database.",
                    class_path="matsciml_lab.logger:make_logger",
                    requires=("labdb",),
                    default=False,
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_baselines(self) -> Iterable[BaselineSpec]:
        """Offer models without a network, which stand beside the results of every run.

        Called once per process. A record names an encoder that learns nothing and a head that is
        fitted at once; the core fits them on the training crystals of a run whose label is of one
        of the kinds, once for each dataset, split and label::

            @hookimpl
            def matsciml_baselines():
                yield BaselineSpec(
                    name="mine",
                    summary="Nearest neighbours in composition.",
                    encoder="composition",
                    head="neighbours",
                    head_options={"neighbours": 5},
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_pretrained(self) -> Iterable[PretrainedSpec]:
        """Offer models that come trained, which every command takes in place of a run's folder.

        Called once per process, when the registry is built. The function that a record names is
        imported when the model is used for the first time::

            @hookimpl
            def matsciml_pretrained():
                yield PretrainedSpec(
                    name="mine",
                    summary="A potential for oxides.",
                    class_path="matsciml_model_mine.weights:build",
                    encoder="mine",
                    functional="PBE",
                    trained_on="12,000 relaxations of oxides.",
                    elements=("O", "Ti"),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_environments(self) -> Iterable[EnvironmentSpec]:
        """Name environments with plugins of their own, in which whole commands are run.

        Called once per process. What a record offers is listed and completed with the name of the
        environment, as far as this environment does not have it; a command line that needs it is
        handed to the function that ``class_path`` names, before anything was written::

            @hookimpl
            def matsciml_environments():
                yield EnvironmentSpec(
                    name="mine",
                    summary="My environment.",
                    class_path="matsciml_tool_mine.launch:run_there",
                    folder="/opt/mine",
                    offers=(
                        OfferedComponent(
                            kind="encoder",
                            name="theirs",
                            summary="A network.",
                            distribution="matsciml-model-theirs",
                        ),
                    ),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_checks(self) -> Iterable[CheckSpec]:
        """Offer checks for ``matsciml doctor``.

        Called once per process; the function that a record names is imported when ``doctor`` runs,
        and what it returns is shown below the core's own checks::

            @hookimpl
            def matsciml_checks():
                yield CheckSpec(
                    name="licence",
                    summary="The licence server answers.",
                    class_path="matsciml_tool_mine.licence:checks",
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_hookspecs(self) -> Iterable[type | str]:
        """Bring hook specifications, so that other plugins can extend this one.

        Called once per process, before the hooks of any plugin are checked, whatever the order in
        which plugins are found. Returns classes, or import paths of classes
        (``"package.module:Class"``) or modules (``"package.module"``), that hold functions marked
        with ``@hookspec``; they must be as light as the plugin module.

        A hook that takes no arguments and is annotated to return an ``Iterable`` of a record
        offers components. The record derives from ``Spec`` and has a ``kind`` of its own; what
        plugins return is checked and collected as the core's own records are: it is listed by
        ``list-plugins``, and ``registry.get(kind, name)`` and ``registry.specs(kind)`` return it.
        Any other hook is called by the plugin that brings it, as ``registry.hook.<name>(…)``::

            # matsciml_tool_mine/hooks.py
            @dataclass(frozen=True, kw_only=True)
            class SectionSpec(Spec):
                kind: ClassVar[str] = "section"

            class MineHooks:
                @hookspec
                def matsciml_sections(self) -> Iterable[SectionSpec]: ...

            # matsciml_tool_mine/plugin.py
            @hookimpl
            def matsciml_hookspecs():
                return ["matsciml_tool_mine.hooks:MineHooks"]

        A plugin that implements such a hook need not require the tool. It marks the function as
        optional and imports the record within it, which is called where the tool is installed
        and nowhere else; ``doctor`` lists optional hooks that nothing specifies::

            @hookimpl(optionalhook=True)
            def matsciml_sections():
                from matsciml_tool_mine.hooks import SectionSpec

                yield SectionSpec(name="theirs", summary="…", class_path="theirs.section:Section")

        .. versionadded:: 0.1
        """
        raise NotImplementedError

    @hookspec
    def matsciml_before_fit(self, run: RunInfo) -> None:
        """Act before a run starts training.

        Called once per run, after the data is ready and the run folder exists. What it returns
        is ignored; an exception stops the run::

            @hookimpl
            def matsciml_before_fit(run):
                print("training in", run.folder)

        .. versionadded:: 0.1
        """

    @hookspec
    def matsciml_after_fit(self, run: RunInfo, result: RunResult) -> str | None:
        """Act after a run has been trained, tested and written.

        Called once per finished run, on the first rank, when ``run.json`` says that the run is
        finished; again by ``run --resume`` where the process was killed meanwhile. Returns a line
        to show below the run's results, or None. An exception is reported and costs the run
        nothing::

            @hookimpl
            def matsciml_after_fit(run, result):
                page = write_page(run.folder, result.metrics)
                return f"Page: {page}"

        .. versionadded:: 0.1
        """
