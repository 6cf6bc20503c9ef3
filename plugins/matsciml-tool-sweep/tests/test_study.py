"""The journal: what is chosen, what is not chosen twice, and what a kill leaves behind."""

from __future__ import annotations

import json

import pytest

from matsciml_core.errors import DataError
from matsciml_tool_sweep.space import parse_axis
from matsciml_tool_sweep.study import Study

AXES = ("encoder.cutoff=4..8", "encoder.elements=learnt,both")


@pytest.fixture
def open_study(tmp_path):
    """A function that opens a study; the same journal each time."""

    def make(*vary, seed=0, patience=None, larger_is_better=False):
        axes = [parse_axis(text) for text in vary or AXES]
        return Study(
            tmp_path / "journal.log",
            axes,
            larger_is_better=larger_is_better,
            seed=seed,
            patience=patience,
        )

    return make


def finished(study, count):
    """Finish trials whose value is their cutoff, and return what was chosen."""
    chosen = []
    for _ in range(count):
        trial = study.ask()
        chosen.append(dict(trial.settings))
        study.finish(trial.number, trial.settings["encoder.cutoff"], 1.0)
    return chosen


def test_an_interrupted_study_goes_on_as_it_would_have(open_study, tmp_path):
    whole = finished(open_study(), 14)
    (tmp_path / "journal.log").unlink()
    parts = [finished(open_study(), count) for count in (3, 9, 2)]
    assert [*parts[0], *parts[1], *parts[2]] == whole
    assert len({json.dumps(one) for one in whole}) == 14


def test_another_seed_chooses_otherwise(open_study, tmp_path):
    first = finished(open_study(), 2)
    (tmp_path / "journal.log").unlink()
    assert finished(open_study(seed=1), 2) != first


def test_values_learn_from_those_before(open_study):
    """After the random ones of the beginning, small cutoffs are chosen where they are better."""
    cutoffs = [one["encoder.cutoff"] for one in finished(open_study(), 40)]
    assert sum(cutoffs[-10:]) / 10 < sum(cutoffs[:10]) / 10 - 0.5
    assert all(4.0 <= one <= 8.0 for one in cutoffs)


def test_no_combination_is_tried_twice(open_study):
    study = open_study("a.b=x,y", "encoder.cutoff=1..3:int")
    seen = [tuple(one.values()) for one in finished(study, 6)]
    assert len(set(seen)) == 6
    assert study.ask() is None
    assert len(study.trials()) == 6


def test_choices_keep_their_kind(open_study):
    study = open_study("head.hidden=[64],[64,32]", "encoder.max_neighbours=12,null")
    trial = study.ask()
    assert trial.settings["head.hidden"] in ([64], [64, 32])
    assert trial.settings["encoder.max_neighbours"] in (12, None)


def test_a_torn_line_of_the_journal_is_cut_off(open_study, tmp_path):
    finished(open_study(), 2)
    with (tmp_path / "journal.log").open("ab") as stream:
        stream.write(b'{"op_code":6,"wor')
    finished(open_study(), 1)
    assert [trial.state for trial in open_study().trials()] == ["finished"] * 3


def test_a_lock_that_a_kill_left_is_not_waited_for(open_study, tmp_path):
    finished(open_study(), 1)
    (tmp_path / "journal.log.lock").touch()
    finished(open_study(), 1)
    assert len(open_study().trials()) == 2


def test_a_trial_without_all_its_settings_is_dropped(open_study, tmp_path):
    """Whoever chose them was killed in between."""
    study = open_study()
    finished(study, 1)
    study.ask()
    journal = tmp_path / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    assert "elements" in lines[-1]
    journal.write_text("".join(lines[:-1]))
    again = open_study()
    assert [trial.state for trial in again.trials()] == ["finished"]
    finished(again, 1)
    assert len(again.trials()) == 2


def test_a_journal_that_is_none_says_so(open_study, tmp_path):
    (tmp_path / "journal.log").write_text("{}\nno journal\n{}\n")
    with pytest.raises(DataError, match="is damaged"):
        open_study()


def test_a_journal_that_is_a_link_is_not_followed(open_study, tmp_path):
    (tmp_path / "elsewhere").touch()
    (tmp_path / "journal.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"journal\.log"):
        open_study()


def test_a_trial_below_the_median_is_hopeless(open_study):
    study = open_study(patience=1)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        trial = study.ask()
        for epoch in range(3):
            study.report(trial.number, epoch, value)
        study.finish(trial.number, value, 1.0)
    trial = study.ask()
    study.report(trial.number, 0, 9.0)
    assert not study.is_hopeless(trial.number)  # every trial has its first epochs
    study.report(trial.number, 1, 9.0)
    assert study.is_hopeless(trial.number)
    other = study.ask()
    study.report(other.number, 0, 1.5)
    study.report(other.number, 1, 1.5)
    assert not study.is_hopeless(other.number)


def test_larger_may_be_better(open_study):
    study = open_study(patience=0, larger_is_better=True)
    for value in (1.0, 2.0, 3.0, 4.0, 5.0):
        trial = study.ask()
        study.report(trial.number, 0, value)
        study.finish(trial.number, value, 1.0)
    trial = study.ask()
    study.report(trial.number, 0, 9.0)
    assert not study.is_hopeless(trial.number)
    study.report(trial.number, 1, 0.5)
    other = study.ask()
    study.report(other.number, 0, 0.5)
    assert study.is_hopeless(other.number)


def test_the_setting_that_decides_is_the_important_one(open_study):
    study = open_study()
    assert study.importances() == {}
    finished(study, 20)
    shares = study.importances()
    assert sum(shares.values()) == pytest.approx(1.0)
    assert next(iter(shares)) == "encoder.cutoff"


def test_time_adds_up_over_interruptions(open_study):
    study = open_study()
    number = study.ask().number
    study.interrupt(number, 2.0)
    again = open_study()
    assert again.trial(number).state == "running"
    again.finish(number, 1.0, 3.0)
    assert again.trial(number).seconds == pytest.approx(5.0)
