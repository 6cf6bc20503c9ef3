"""A finished run of the kit's examples, with publications to cite."""

from __future__ import annotations

import pytest

from matsciml_cli.app import execute

PLUGIN = """
    from dataclasses import replace

    from matsciml_core import Reference, hookimpl
    from matsciml_core.testing import examples

    def reference(key):
        return Reference(
            key=key, authors="Roe, R.", title="Salts", venue="Journal of Salts", year=2020
        )

    @hookimpl
    def matsciml_datasets():
        yield replace(examples.DATASET, name="salts", references=(reference("salts"),))

    @hookimpl
    def matsciml_encoders():
        yield replace(examples.ENCODER, name="small", references=(reference("small"),))

    @hookimpl
    def matsciml_task_heads():
        yield replace(examples.HEAD, name="line")

    @hookimpl
    def matsciml_strategies():
        yield replace(examples.STRATEGY, name="sum")
"""


@pytest.fixture(scope="module")
def run(module_plugin_folder, tmp_path_factory):
    """Return the folder of a finished run."""
    module_plugin_folder.add("matsciml-all-salts", PLUGIN)
    output = tmp_path_factory.mktemp("runs")
    components = ["--dataset", "salts", "--encoder", "small", "--strategy", "sum"]
    options = ["--set", "head.name=line", "--epochs", "1", "--output", str(output)]
    assert execute(["run", *components, *options]) == 0
    return (output / "latest").resolve()
