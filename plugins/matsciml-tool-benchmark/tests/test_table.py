"""The file of a table, and the experiments that follow from it."""

from __future__ import annotations

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_benchmark.experiments import plan, select
from matsciml_tool_benchmark.table import add_rows, read_table


def test_an_experiment_is_a_whole_configuration(make_table):
    table = make_table(row={"strategy": "both", "settings": {"head": {"hidden": [8]}}})
    (experiment,) = plan(table, "mini")
    assert (experiment.name, experiment.key) == ("gap/plain", "gap/plain/seed-0")
    assert experiment.config == {
        "datasets": [{"name": "toy"}],
        "targets": ["gap"],
        "encoder": {"name": "net"},
        "strategy": {"name": "both"},
        "training": {"seed": 0, "epochs": 2},
        "split": {"max_train_crystals": 5},
        "head": {"hidden": [8]},
    }


def test_columns_rows_and_budgets_add_their_settings_in_this_order(make_table):
    budget = {
        "epochs": 2,
        "settings": {"training": {"batch_size": 1, "max_atoms": 1}},
        "columns": {"plain": {"training": {"batch_size": 2, "max_atoms": 2}}},
        "datasets": {"toy": {"release": "new"}},
    }
    table = make_table(budgets={"mini": budget}, row={"settings": {"training": {"max_atoms": 3}}})
    (experiment,) = plan(table, "mini")
    assert experiment.config["training"] == {
        "seed": 0,
        "epochs": 2,
        "batch_size": 2,
        "max_atoms": 3,
    }
    assert experiment.config["datasets"] == [{"name": "toy", "release": "new"}]


def test_seeds_make_experiments_that_stand_together(make_table):
    experiments = plan(make_table(encoders={"a": {}, "b": {}}), "mini", seeds=2)
    assert [experiment.key for experiment in experiments] == [
        "gap/a/seed-0", "gap/a/seed-1", "gap/b/seed-0", "gap/b/seed-1",
    ]  # fmt: skip
    assert len({experiment.digest for experiment in experiments}) == 4


def test_the_digest_follows_the_configuration(make_table):
    (experiment,) = plan(make_table(), "mini")
    (same,) = plan(make_table(title="Another title"), "mini")
    (other,) = plan(make_table(row={"settings": {"training": {"epochs": 3}}}), "mini")
    assert experiment.digest == same.digest != other.digest


def test_a_row_may_name_columns_and_bring_its_own(make_table):
    table = make_table(encoders={"a": {"name": "one"}, "b": {}}, row={"encoders": ["a"]})
    assert [experiment.column for experiment in plan(table, "mini")] == ["a"]
    own = make_table(row={"encoders": {"mine": {"name": "net", "width": 4}}})
    (experiment,) = plan(own, "mini")
    assert experiment.config["encoder"] == {"name": "net", "width": 4}


def test_a_row_may_belong_to_some_budgets_only(make_table):
    table = make_table(budgets={"mini": {}, "full": {}}, row={"budgets": ["full"]})
    assert plan(table, "mini") == []
    assert len(plan(table, "full")) == 1


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ((), ["gap/a", "gap/b"]),
        (("gap/b",), ["gap/b"]),
        (("*/a",), ["gap/a"]),
        (("ap",), ["gap/a", "gap/b"]),
        (("gap/a", "nothing"), ["gap/a"]),
    ],
)
def test_experiments_are_selected_by_name_part_or_pattern(make_table, only, names):
    experiments = plan(make_table(encoders={"a": {}, "b": {}}), "mini")
    assert [experiment.name for experiment in select(experiments, only)] == names


def test_a_name_that_matches_nothing_is_answered_with_what_there_is(make_table):
    experiments = plan(make_table(), "mini")
    with pytest.raises(
        ConfigError, match=r"No experiment matches 'gup/plain'\. Did you mean 'gap/plain'\?"
    ):
        select(experiments, ["gup/plain"])


def test_an_unknown_budget_is_answered_with_those_there_are(make_table):
    with pytest.raises(ConfigError, match=r"no budget 'mino'.*'mini'"):
        plan(make_table(), "mino")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row": {"notes": ["unit"]}}, "names the footnote 'unit', which does not exist"),
        ({"row": {"published": [{"value": 1, "notes": ["x"]}]}}, "footnote 'x'"),
        ({"row": {"budgets": ["big"]}}, "no budget 'big'"),
        (
            {"more": [{"name": "gap", "title": "Again", "datasets": ["toy"]}]},
            "two rows called 'gap'",
        ),
    ],
)
def test_a_table_that_contradicts_itself_is_an_error(make_table, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_table(**changes)


FILE = """
rows:
  - name: mine/gap
    title: My own
    datasets: [toy]
    targets: [gap]
    encoders: {mine: {name: net, width: 3}}
    notes: [own]
notes: {own: Mine alone.}
metrics: {gap: mae}
"""


def test_rows_of_ones_own_join_a_table(make_table, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(FILE, encoding="utf-8")
    table = add_rows(make_table(), file)
    assert [row.name for row in table.rows] == ["gap", "mine/gap"]
    assert table.rows[1].origin == "mine.yaml"
    assert table.notes == {"own": "Mine alone."}
    assert table.metrics == {"gap": "mae"}
    assert plan(table, "mini")[1].config["encoder"] == {"name": "net", "width": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: []", "'mine.rows'"),
        (f"raws: []\n{FILE}", "'mine.raws' is not a setting. Did you mean 'rows'"),
        ("rows: [{name: A B, title: t, datasets: [toy]}]", "use lower-case letters"),
        ("rows: [{title: t, datasets: [toy]}]", "'mine.rows.0.name' is missing"),
        (": :", "not valid YAML"),
    ],
)
def test_a_faulty_file_is_answered_with_one_sentence(make_table, tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        add_rows(make_table(), file)
    assert "\n" not in str(caught.value)


def test_a_table_is_read_from_a_file(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(
        "name: own\ntitle: Own\nbudgets: {mini: {}}\nrows:\n"
        "  - {name: gap, title: Gap, datasets: [toy], encoders: [net]}\n",
        encoding="utf-8",
    )
    (experiment,) = plan(read_table(file), "mini")
    assert experiment.config["encoder"] == {"name": "net"}
