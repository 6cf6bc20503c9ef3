"""What is read from the folder of a finished run."""

from __future__ import annotations

import json

from matsciml_util_pages.finished_runs import read_finished_run

SUMMARY = {
    "datasets": {"toy": {"labels": {"gap": {"kind": "scalar", "unit": "eV"}}}},
    "heads": {"toy/gap": {"mean": 1.0, "std": 2.0}},
    "metrics": {
        "test": {"toy/gap": {"mse": None, "mae": "much", "r2": True, "skill": 0.25, "unit": "eV"}}
    },
}


def test_a_folder_without_results_has_none(tmp_path):
    assert read_finished_run(tmp_path) is None
    (tmp_path / "run.json").write_text('{"metrics": 3}', encoding="utf-8")
    assert read_finished_run(tmp_path) is None


def test_what_is_not_a_number_is_absent(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(SUMMARY), encoding="utf-8")
    (target,) = read_finished_run(tmp_path).targets.values()
    assert target.metrics == {"skill": 0.25}
    assert target.standardised_mse is None
