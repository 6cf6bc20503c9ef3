"""A finished run as a folder to share."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from matsciml_cli.app import execute
from matsciml_core import load
from matsciml_core.testing.crystals import all_crystals
from matsciml_tool_export.export import FILES, export_model


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared") / "model"
    options = ("--to", str(folder), "--name", "tiny", "--licence", "MIT")
    assert execute(["export", str(run), *options]) == 0
    return folder


class TestExport:
    def test_holds_what_is_needed_and_no_more(self, exported):
        assert {path.name for path in exported.iterdir()} == {
            "model.safetensors",
            "model.json",
            "config.yaml",
            "run.json",
            "README.md",
            "CITATION.bib",
        }

    def test_a_run_that_names_folders_is_exported_without_them(self, run, tmp_path):
        """Not where the run lay, began from, or kept its data; nor the command, of any segment."""
        copy = shutil.copytree(run, tmp_path / "private" / "run")
        summary = json.loads((copy / "run.json").read_text("utf-8"))
        private = str(tmp_path / "private")
        summary["init"] = {"model": f"{private}/first", "sha256": "0" * 64}
        summary["notes"] = [f"weights of '{private}/first', see https://example.org{private}/x"]
        summary["segments"] = [{"command": f"matsciml run --output {private}", "wall_seconds": 1}]
        (copy / "run.json").write_text(json.dumps(summary))
        model = json.loads((copy / "model.json").read_text("utf-8"))
        (copy / "model.json").write_text(json.dumps({**model, "from": f"{private}/first"}))
        folder = export_model(copy, tmp_path / "shared")
        for path in folder.iterdir():
            text = path.read_bytes().replace(f"https://example.org{private}".encode(), b"")
            assert private.encode() not in text, path.name
            assert b"matsciml run --output" not in text, path.name
        shared = json.loads((folder / "run.json").read_text("utf-8"))
        assert shared["init"] == {"model": "first", "sha256": "0" * 64}
        assert shared["notes"][0].startswith("weights of 'first', see https://example.org/")
        assert json.loads((folder / "model.json").read_text("utf-8"))["from"] == "first"

    def test_the_card_holds_no_html_and_no_fence_of_a_stranger(self, run, tmp_path):
        copy = shutil.copytree(run, tmp_path / "run")
        summary = json.loads((copy / "run.json").read_text("utf-8"))
        strange = "@article{x, title={```\n<img src=x>\n# Heading}}"
        summary["citations"] = [strange, *summary["citations"]]
        (copy / "run.json").write_text(json.dumps(summary))
        folder = export_model(copy, tmp_path / "shared", name="<b>tiny</b>")
        card = (folder / "README.md").read_text("utf-8")
        assert "<img" not in card
        assert "<b>" not in card
        assert card.count("```") % 2 == 0
        assert "title={```" not in card
        assert strange in (folder / "CITATION.bib").read_text("utf-8")  # which is no page

    def test_predicts_as_the_run_does(self, run, exported):
        predictions = [
            [prediction["energy"] for prediction in load(folder).stream(all_crystals())]
            for folder in (run, exported)
        ]
        assert predictions[0] == predictions[1]

    def test_card_has_errors_beside_baselines(self, run, exported):
        card = (exported / "README.md").read_text(encoding="utf-8")
        summary = json.loads((run / "run.json").read_text(encoding="utf-8"))
        key = "salts/energy"
        assert f"{summary['metrics']['test'][key]['mae']:.4g}" in card
        assert list(summary["baselines"][key])[:1] == ["mean"]
        assert f"{summary['baselines'][key]['mean']['mae']:.4g}" in card
        assert "mae (eV/atom)" in card
        assert summary["datasets"]["salts"]["licence"] in card
        assert len(summary["citations"]) >= 2
        for entry in summary["citations"]:
            assert entry in card
            assert entry in (exported / "CITATION.bib").read_text(encoding="utf-8")

    def test_card_has_a_header_that_hubs_read(self, exported):
        _, header, text = (exported / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        front = yaml.safe_load(header)
        assert front["license"] == "mit"
        assert front["datasets"] == ["salts"]
        (result,) = front["model-index"][0]["results"]
        assert result["metrics"][0]["type"] == "mae"
        assert text.strip().startswith("# tiny")

    def test_names_no_folder_of_this_machine(self, run, exported):
        for file in exported.iterdir():
            if file.suffix != ".safetensors":
                assert str(run.parent) not in file.read_text(encoding="utf-8"), file

    def test_of_a_run_without_a_test_part_says_so(self, run, tmp_path):
        copy = shutil.copytree(run, tmp_path / "run")
        summary = json.loads((copy / "run.json").read_text(encoding="utf-8"))
        summary["metrics"]["test"] = {}
        (copy / "run.json").write_text(json.dumps(summary), encoding="utf-8")
        assert execute(["export", str(copy), "--to", str(tmp_path / "out")]) == 0
        card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
        assert "The model was not tested" in card
        assert "No licence was stated for this model." in card

    @pytest.mark.parametrize(
        ("missing", "words"),
        [
            ("model.safetensors", "has not finished"),
            ("run.json", "was stopped before its report"),
        ],
    )
    def test_of_half_a_run_says_how_to_finish_it(self, run, tmp_path, capsys, missing, words):
        copy = shutil.copytree(run, tmp_path / "run")
        (copy / missing).unlink()
        assert execute(["export", str(copy), "--to", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert "--resume" in error
        assert not (tmp_path / "out").exists()

    def test_of_an_exported_model_is_rejected(self, exported, tmp_path, capsys):
        assert execute(["export", str(exported), "--to", str(tmp_path / "out")]) == 2
        assert "is an exported model already" in capsys.readouterr().err

    def test_goes_on_after_one_that_was_killed(self, run, tmp_path, capsys):
        target = tmp_path / "out"
        (target / ".0123456789abcdef.part").mkdir(parents=True)
        (target / ".0123456789abcdef.part" / "model.pt2").write_text("half")
        (target / ".model.json.0123456789abcdef.part").write_text("half")
        mine = target / ".mine.part"
        mine.write_text("precious")
        assert execute(["export", str(run), "--to", str(target)]) == 2
        assert len(list(target.iterdir())) == 3
        mine.unlink()
        assert execute(["export", str(run), "--to", str(target)]) == 0, capsys.readouterr().err
        assert {path.name for path in target.iterdir()} == set(FILES)

    def test_keeps_what_lies_in_the_folder(self, run, tmp_path, capsys):
        (tmp_path / "mine.txt").write_text("precious")
        assert execute(["export", str(run), "--to", str(tmp_path)]) == 2
        assert "is not empty; name an empty or a new one" in capsys.readouterr().err
        assert execute(["export", str(run), "--to", str(tmp_path), "--replace"]) == 2
        assert (tmp_path / "mine.txt").read_text() == "precious"

    def test_replaces_an_earlier_export_where_asked(self, run, tmp_path, capsys):
        to = ("--to", str(tmp_path / "out"))
        assert execute(["export", str(run), *to]) == 0
        assert execute(["export", str(run), *to]) == 2
        assert "give --replace" in capsys.readouterr().err
        assert execute(["export", str(run), *to, "--replace"]) == 0

    def test_rejects_the_runs_own_folder_and_a_file(self, run, tmp_path, capsys):
        assert execute(["export", str(run), "--to", str(run)]) == 2
        assert "into its own folder" in capsys.readouterr().err
        (tmp_path / "file").write_text("")
        assert execute(["export", str(run), "--to", str(tmp_path / "file")]) == 2
        assert "is a file" in capsys.readouterr().err
