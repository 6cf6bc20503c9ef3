"""``matsciml list-tasks``: the published rows, what is installed, and what is on this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

PLUGIN = """
    from matsciml_core import BenchmarkTask, DatasetSpec, TargetInfo, hookimpl

    TASK = BenchmarkTask(title="gap", target="band_gap", metric="MAE", unit="eV",
                         published_sizes=(3, 2, None))

    @hookimpl
    def matsciml_datasets():
        yield DatasetSpec(name="{name}", summary="Some.", class_path="a:B", tasks=(TASK,),
                          inventory="{{package}}.inventory:{function}")
"""
INVENTORY = """
    from matsciml_core import Inventory

    def some():
        return Inventory(where="a folder", sizes={"band_gap": (1234, 5, 6)})

    def other():
        return Inventory(where="a folder", sizes={"efermi": (1, 2, 3)})

    def nothing():
        return None

    def broken():
        raise OSError("disk on fire")
"""


def add(plugin_folder: Any, function: str, name: str = "mp") -> None:
    source = PLUGIN.format(name=name, function=function)
    plugin_folder.add(f"matsciml-data-{name}", source, modules={"inventory": INVENTORY})


def row(cli: Callable[..., Any], target: str = "band_gap") -> dict[str, Any]:
    tasks = cli("list-tasks", "--json").data["tasks"]
    (found,) = [one for one in tasks if (one["dataset"], one["target"]) == ("mp", target)]
    return dict(found)


def test_thirteen_rows_without_any_plugin(cli: Callable[..., Any]) -> None:
    outcome = cli("list-tasks")
    lines = outcome.out.splitlines()
    assert len(lines) == 14
    assert outcome.err == "0 of 13 tasks can be trained with the data on this machine.\n"
    assert all("plugin not installed: pip install matsciml-data-" in line for line in lines[1:])
    assert re.split("  +", lines[1])[:5] == [
        "s2ef", "energy", "MSE", "eV²", "2,000,000 / 1,000,000 / -",
    ]  # fmt: skip


def test_both_tasks_of_the_catalyst_data_are_in_one_plugin(cli: Callable[..., Any]) -> None:
    tasks = cli("list-tasks", "--json").data["tasks"]
    remarks = {one["remark"] for one in tasks if one["dataset"] in ("s2ef", "is2re")}
    assert remarks == {"plugin not installed: pip install matsciml-data-ocp"}


def test_what_a_plugin_declares_wins_over_the_table(
    cli: Callable[..., Any], plugin_folder: Any
) -> None:
    add(plugin_folder, "some")
    found = row(cli)
    assert (found["metric"], found["published"]) == ("MAE", [3, 2, None])
    assert (found["state"], found["here"]) == ("ok", [1234, 5, 6])
    assert "1,234 / 5 / 6  in a folder" in cli("list-tasks").out


def test_data_without_the_label_and_no_data(cli: Callable[..., Any], plugin_folder: Any) -> None:
    add(plugin_folder, "other")
    assert row(cli)["state"] == "no label"
    assert row(cli, "space_group")["state"] == "no label"


def test_no_data(cli: Callable[..., Any], plugin_folder: Any) -> None:
    add(plugin_folder, "nothing")
    found = row(cli)
    assert found["state"] == "no data"
    assert "matsciml info mp" in found["remark"]


def test_an_inventory_that_fails_spoils_its_own_rows_only(
    cli: Callable[..., Any], plugin_folder: Any
) -> None:
    add(plugin_folder, "broken")
    assert row(cli)["state"] == "failed"
    assert "disk on fire" in row(cli)["remark"]
    assert cli("list-tasks").code == 0


def test_rows_of_other_datasets_follow(cli: Callable[..., Any], plugin_folder: Any) -> None:
    add(plugin_folder, "some", name="mine")
    tasks = cli("list-tasks", "--json").data["tasks"]
    assert len(tasks) == 14
    assert (tasks[-1]["dataset"], tasks[-1]["state"]) == ("mine", "ok")


def test_json_has_a_schema_and_the_source(cli: Callable[..., Any]) -> None:
    data = cli("list-tasks", "--json").data
    assert data["schema"] == 1
    assert "MatSciML" in data["source"]
    sizes = [tuple(one["published"]) for one in data["tasks"] if one["dataset"] == "lips"]
    assert sizes == [(17500, 5000, 2500)] * 2


def test_it_is_light() -> None:
    code = (
        "import sys; from matsciml_cli.app import execute; execute(['list-tasks']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pydantic', 'lmdb')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0
