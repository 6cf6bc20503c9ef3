"""``matsciml benchmark`` and ``matsciml reproduce``: tables, plugins' rows, and their errors."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from matsciml_core.training.config import build_config
from matsciml_tool_benchmark.experiments import plan
from matsciml_tool_benchmark.request import TableRequest
from matsciml_tool_benchmark.table import read_table

TABLES = sorted(
    Path(str(file)) for file in files("matsciml_tool_benchmark").joinpath("tables").iterdir()
)
PLUGIN = """
    from matsciml_core import hookimpl

    @hookimpl(optionalhook=True)
    def matsciml_benchmarks():
        from matsciml_tool_benchmark.hooks import BenchmarkSpec

        yield BenchmarkSpec(name="{name}", summary="My rows.", class_path="{{package}}.rows:rows",
                            table="{table}")
"""
ROWS = """
    from matsciml_tool_benchmark.rows import BenchmarkRow

    def rows():
        yield BenchmarkRow(name="mine/gap", title="Mine", datasets=["nowhere"], targets=["gap"],
                           encoders=["net"]{more})
"""


def offer(plugin_folder: Any, table: str, more: str = "") -> None:
    plugin_folder.add(
        "matsciml-bench-mine",
        PLUGIN.format(name="mine", table=table),
        modules={"rows": ROWS.format(more=more)},
    )


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_experiment_of_every_table_is_a_valid_configuration(path: Path) -> None:
    table = read_table(path)
    assert table.name == path.stem
    assert {"mini", "devset", "full"} == set(table.budgets)
    for budget in table.budgets:
        for experiment in plan(table, budget) if table.kind == "runs" else ():
            build_config(experiment.config)


def test_there_are_five_tables() -> None:
    assert [path.stem for path in TABLES] == [f"table{number}" for number in range(1, 6)]


def test_table_3_pairs_all_tasks_with_both_strategies_presets_and_defaults() -> None:
    table = read_table(next(path for path in TABLES if path.stem == "table3"))
    for budget in ("mini", "full"):
        experiments = plan(table, budget, seeds=1)
        pairs = [experiment for experiment in experiments if len(experiment.row.targets) == 2]
        assert len(pairs) == 6 * 2 * 4
        assert len(experiments) - len(pairs) == 4 * 4
        encoders = [experiment.config["encoder"] for experiment in experiments]
        presets = {encoder.get("preset", "our defaults") for encoder in encoders}
        assert presets == {"table6", "table7", "our defaults"}


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_every_footnote_is_named(path: Path) -> None:
    table = read_table(path)
    if table.kind == "runs":
        named = {note for row in table.rows for note in row.notes}
        numbers = [number for row in table.rows for number in row.published]
        named |= {note for number in numbers for note in number.notes}
        assert named == set(table.notes)


def test_the_experiments_are_listed_with_what_they_wait_for(cli: Any, tmp_path: Path) -> None:
    outcome = cli("benchmark", "table2", "--list", "--output", str(tmp_path / "runs"))
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    (line,) = [line for line in lines if "/lips-energy-forces/gala" in line]
    assert "pip install matsciml-data-lips" in line
    assert not (tmp_path / "runs").exists()


def test_a_table_without_any_data_is_written_all_the_same(cli: Any, tmp_path: Path) -> None:
    outcome = cli("benchmark", "table2", "--output", str(tmp_path))
    assert outcome.code == 0
    folder = tmp_path / "table2-mini"
    data = json.loads((folder / "table.json").read_text("utf-8"))
    assert {entry["state"] for entry in data["entries"]} == {"not installed"}
    assert "0 of 0 runs are finished, 0 to go." in outcome.out
    for ending in ("html", "md", "csv"):
        assert (folder / f"table.{ending}").is_file()


def test_the_table_of_data_trains_nothing(cli: Any, tmp_path: Path) -> None:
    outcome = cli("benchmark", "table1", "--output", str(tmp_path))
    assert outcome.code == 0
    data = json.loads((tmp_path / "table1" / "table.json").read_text("utf-8"))
    assert len(data["tasks"]) == 13
    text = (tmp_path / "table1" / "table.html").read_text("utf-8")
    assert "154,519 ids" in text


def test_rows_of_a_plugin_join_its_table(cli: Any, plugin_folder: Any, tmp_path: Path) -> None:
    offer(plugin_folder, "table2")
    outcome = cli("benchmark", "table2", "--list", "--only", "mine", "--output", str(tmp_path))
    assert outcome.out.splitlines()[1].split("  ")[0] == "table2/mine/gap/net"


def test_a_plugin_may_offer_a_table_of_its_own(
    cli: Any, plugin_folder: Any, tmp_path: Path
) -> None:
    offer(plugin_folder, "")
    outcome = cli("benchmark", "mine", "--list", "--output", str(tmp_path))
    assert "mine/mine/gap/net" in outcome.out
    assert "benchmark" in cli("list-plugins").out


def test_faulty_rows_of_a_plugin_are_left_out_and_said(
    cli: Any, plugin_folder: Any, tmp_path: Path
) -> None:
    offer(plugin_folder, "table2", ", notes=['unheard-of']")
    outcome = cli("benchmark", "table2", "--list", "--output", str(tmp_path))
    assert outcome.code == 0
    assert "The rows of the benchmark 'mine' are left out: The row 'mine/gap'" in outcome.err
    assert "mine" not in outcome.out


def test_rows_of_ones_own_join_a_table(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("rows: [{name: mine, title: Mine, datasets: [nowhere], encoders: [net]}]")
    found = cli("benchmark", "table2", "--list", "--rows", str(file), "--only", "mine")
    assert "table2/mine/net" in found.out


def test_a_table_may_be_a_file(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "{name: own, title: Own, rows: [{name: a, title: A, datasets: [x], encoders: [net]}]}"
    )
    assert "own/a/net" in cli("benchmark", str(file), "--list").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("benchmark", "tabel2"), "There is no table 'tabel2'. Did you mean 'table2'?"),
        (("benchmark", "table2", "--budget", "mino"), "no budget 'mino'"),
        (("benchmark", "table2", "--only", "nothing"), "No experiment matches 'nothing'"),
        (("benchmark", "table1", "--list"), "has no experiments"),
        (("reproduce", "table1/mp"), "has no experiments"),
        (("reproduce", "table2/mp-band-gap/megnot"), "Did you mean 'mp-band-gap/megnet'?"),
        (("reproduce", "table2/mp-band-gap/megnet"), "Run: pip install matsciml-data-mp"),
    ],
)
def test_what_cannot_be_is_answered_with_one_sentence(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli(*arguments)
    assert outcome.code == 2
    assert message in outcome.error


def test_listing_experiments_imports_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from matsciml_cli.app import execute\n"
        f"execute(['benchmark', 'table2', '--list', '--output', {str(tmp_path)!r}])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_interrupted_table_goes_on_with_what_was_asked_for_and_no_more() -> None:
    request = TableRequest(table="table2", only=("*/megnet", "mp band"), jobs=2, launcher="ray")
    assert request.resumption == (
        "matsciml benchmark table2 --budget mini --only '*/megnet' --only 'mp band' --jobs 2 "
        "--launcher ray"
    )
    assert TableRequest(table="table2").resumption == "matsciml benchmark table2 --budget mini"
