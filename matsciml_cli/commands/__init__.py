"""The core's own commands, one module for each; what is heavy is imported within functions."""

from matsciml_core.registry.specs import CommandSpec

_PACKAGE = "matsciml_cli.commands"

# The summaries stand here, because --help must not import the modules for their docstrings.
COMMANDS = (
    CommandSpec(
        name="run",
        group="Train",
        summary="Train a model on a dataset, test it, and report.",
        class_path=f"{_PACKAGE}.run:run",
    ),
    CommandSpec(
        name="list-tasks",
        group="Train",
        summary="List the benchmark's tasks, and which can run here.",
        class_path=f"{_PACKAGE}.list_tasks:list_tasks",
    ),
    CommandSpec(
        name="predict",
        group="Use a model",
        summary="Predict the labels of structures in files.",
        class_path=f"{_PACKAGE}.predict:predict",
    ),
    CommandSpec(
        name="data",
        group="Data",
        summary="Fetch, import, convert, look at and split datasets.",
        class_path=f"{_PACKAGE}.data:data",
    ),
    CommandSpec(
        name="list-plugins",
        group="Plugins",
        summary="List what the installed plugins offer, or what can be installed.",
        class_path=f"{_PACKAGE}.list_plugins:list_plugins",
    ),
    CommandSpec(
        name="info",
        group="Plugins",
        summary="Show a component, or the settings of a run.",
        class_path=f"{_PACKAGE}.info:info",
    ),
    CommandSpec(
        name="doctor",
        group="Plugins",
        summary="Check the installation, and say how to fix it.",
        class_path=f"{_PACKAGE}.doctor:doctor",
    ),
    CommandSpec(
        name="new",
        group="Plugins",
        summary="Write the skeleton of a plugin, ready to install.",
        class_path=f"{_PACKAGE}.new:new",
    ),
    CommandSpec(
        name="check",
        group="Plugins",
        summary="Test a component against what it promises.",
        class_path=f"{_PACKAGE}.check:check",
    ),
)
"""The commands that need no plugin; records like those that plugins return from the hook."""

GROUPS = ("Train", "Use a model", "Evaluate", "Data", "Plugins")
"""Headings of ``matsciml --help``, in their order; those that plugins add follow."""
