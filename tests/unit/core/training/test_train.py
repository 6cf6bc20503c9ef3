"""``matsciml_core.train``: what it takes, what it returns, and what it leaves in the run folder."""

from __future__ import annotations

import csv
import math
import shutil
import signal

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import yaml

from matsciml_core import Registry, RunConfig, RunInterrupted, build_registry, load, train
from matsciml_core.errors import (
    ConfigError,
    DataError,
    PluginLoadError,
    TrainingError,
    UnknownNameError,
)
from matsciml_core.files import read_object, write_json
from matsciml_core.testing.example_settings import ExampleEncoderConfig
from matsciml_core.testing.examples import ExampleDataset, ExampleEncoder
from matsciml_core.training import after_fit, run_folder
from matsciml_core.training.config import build_config
from matsciml_core.training.guards import InterruptGuard

KEY = "example/energy"


class OwnEncoder(ExampleEncoder):
    """An encoder that no plugin offers."""


class OwnDataset(ExampleDataset):
    """A dataset that no plugin offers."""


@pytest.fixture
def fit(registry, tmp_path):
    """Return ``train`` with example components, in a folder of its own."""

    def run(*arguments, **options):
        defaults = {"output": tmp_path / "runs", "epochs": 1, "batch_size": 16, "device": "cpu"}
        if "resume" in options:
            defaults = {}
        elif not arguments:
            defaults |= {"dataset": "example", "encoder": "example", "strategy": "example"}
        return train(*arguments, **{"registry": registry, "quiet": True, **defaults, **options})

    return run


def config_of(result):
    return yaml.safe_load((result.folder / "config.yaml").read_text(encoding="utf-8"))


class TestResult:
    def test_elements_of_the_test_set_alone_are_named(self, fit):
        first = fit(dataset=OwnDataset())
        assert "Xe" not in str(first.notes)
        text = (first.folder / "predictions-test.csv").read_text(encoding="utf-8")
        rows = csv.DictReader(text.splitlines())
        tested = {row["id"] for row in rows}

        class WithXenon(OwnDataset):
            def __getitem__(self, index):
                crystal = super().__getitem__(index)
                if crystal.id in tested:
                    crystal.atomic_numbers[0] = 54
                return crystal

        note = fit(dataset=WithXenon()).notes[0]
        assert f"{len(tested)} of {len(tested)} test crystals hold Xe, which no training" in note

    def test_it_says_what_was_measured(self, fit):
        result = fit(epochs=2)
        metrics = result.metrics[KEY]
        assert {"mae", "unit", "count"} <= set(metrics)
        assert "mean" in result.baselines[KEY]
        assert read_object(result.folder / "run.json")["metrics"]["test"][KEY] == metrics
        assert f"{KEY}: mae {metrics['mae']:.4g} eV/atom (mean: " in str(result)
        assert str(result.folder) in str(result)

    def test_the_history_has_a_number_for_each_epoch(self, fit):
        history = fit(epochs=3).history
        assert history["epoch"] == [0.0, 1.0, 2.0]
        assert all(len(column) == 3 for column in history.values())
        assert all(math.isfinite(value) for value in history[f"validation/{KEY}/mae"])

    def test_the_model_is_the_one_that_was_saved(self, fit, registry, crystals):
        result = fit()
        mine = [one["energy"] for one in result.model.predict(crystals)]
        theirs = [one["energy"] for one in load(result.folder, registry=registry).predict(crystals)]
        assert mine == theirs
        assert result.model is result.model

    def test_the_folder_is_absolute(self, fit, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        result = fit(output="here")
        monkeypatch.chdir("/")
        assert result.folder == tmp_path / "here" / result.folder.name
        assert result.history["epoch"] == [0.0]

    def test_quiet_means_quiet(self, fit, capfd):
        fit()
        captured = capfd.readouterr()
        assert captured.out == captured.err == ""

    def test_epochs_are_shown_otherwise(self, fit, capfd):
        fit(quiet=False)
        assert capfd.readouterr().out.startswith("epoch 1/1  ")


class TestArguments:
    def test_settings_stand_beside_names(self, fit):
        result = fit(encoder={"name": "example", "width": 5}, split={"seed": 3}, seed=7)
        config = config_of(result)
        assert config["encoder"]["width"] == 5
        assert config["split"]["seed"] == 3
        assert config["training"]["seed"] == 7

    def test_a_configuration_of_any_form(self, fit, tmp_path):
        plain = {
            "dataset": "example",
            "encoder": {"name": "example", "width": 5},
            "strategy": "example",
            "output": str(tmp_path / "runs"),
            "training": {"epochs": 1, "device": "cpu"},
        }
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(plain), encoding="utf-8")
        forms = [plain, build_config(plain), file, str(file)]
        assert isinstance(forms[1], RunConfig)
        results = [fit(form).metrics for form in forms]
        assert all(one == results[0] for one in results)

    def test_arguments_win_over_the_configuration(self, fit):
        written = config_of(fit())
        again = config_of(fit(written, epochs=2, encoder={"width": 4}))
        assert again["training"]["epochs"] == 2
        assert again["encoder"] == {**written["encoder"], "width": 4}

    def test_one_target_may_be_a_name_alone(self, fit):
        assert list(fit(targets="energy").metrics) == [KEY]

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"encoder": "exmaple"}, UnknownNameError, "Did you mean 'example'"),
            ({"epoch": 3}, ConfigError, "'training.epoch' is not a setting. Did you mean 'epochs'"),
            ({"targets": "enrgy"}, ConfigError, "no target 'enrgy'. Did you mean 'energy'"),
            ({"dataset": 3}, ConfigError, "'dataset' is a int; give a name"),
            ({"dataset": []}, ConfigError, "is empty"),
            ({"labels": {"x": [1]}}, ConfigError, "belong to a list of structures"),
            ({"head": 3}, ConfigError, "'head' is 3, but it is a section"),
        ],
    )
    def test_mistakes_are_one_sentence_and_leave_nothing(
        self, fit, tmp_path, options, error, words
    ):
        with pytest.raises(error, match=words):
            fit(**options)
        assert not (tmp_path / "runs").exists()

    def test_a_notebook_cannot_start_further_processes(self, fit, monkeypatch):
        monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
        with pytest.raises(ConfigError, match="notebook or prompt cannot start"):
            fit(devices=2)


class TestStructures:
    def train(self, fit, crystals, **options):
        energies = [crystal.labels["energy"] for crystal in crystals]
        return fit(
            dataset=crystals,
            labels={"depth": energies},
            units={"depth": "eV/atom"},
            **options,
        )

    def test_they_are_written_into_the_run_folder(self, fit, crystals):
        result = self.train(fit, crystals)
        assert list(result.metrics) == ["structures/depth"]
        (dataset,) = config_of(result)["datasets"]
        assert dataset == {"name": "structures", "folder": str(result.folder / "structures")}
        assert result.run.datasets[0].dataset.ids == [crystal.id for crystal in crystals]

    def test_the_run_can_be_repeated_by_its_configuration(self, fit, crystals):
        result = self.train(fit, crystals)
        assert fit(result.folder / "config.yaml").metrics == result.metrics

    def test_the_run_can_be_resumed_after_it_was_moved(self, fit, crystals, tmp_path):
        result = self.train(fit, crystals)
        moved = tmp_path / "moved"
        shutil.copytree(result.folder, moved)
        shutil.rmtree(result.folder)
        again = fit(resume=moved, epochs=2)
        assert again.folder == moved
        assert again.history["epoch"] == [0.0, 1.0]

    def test_a_run_that_cannot_start_leaves_nothing(self, fit, crystals, tmp_path):
        with pytest.raises(DataError, match="No crystal of the"):
            self.train(fit, crystals[:3])
        with pytest.raises(UnknownNameError):
            self.train(fit, crystals, encoder="exmaple")
        assert list((tmp_path / "runs").iterdir()) == []

    def test_one_structure_alone_is_a_list_of_one(self, fit, crystals):
        with pytest.raises(DataError, match="No crystal of the"):
            fit(dataset=crystals[0], units={"energy": "eV/atom"})

    def test_arrays_and_series_will_do(self, fit, crystals):
        values = np.array([crystal.labels["energy"] for crystal in crystals])
        result = fit(dataset=tuple(crystals), labels={"x": values}, units={"x": "eV"})
        assert result.metrics["structures/x"]["unit"] == "eV"


class TestObjects:
    def test_a_component_of_a_plugin_goes_by_its_name(self, fit, registry, crystals):
        encoder = ExampleEncoder(ExampleEncoderConfig(width=6))
        before = {name: value.clone() for name, value in encoder.state_dict().items()}
        result = fit(encoder=encoder, dataset=ExampleDataset())
        config = config_of(result)
        assert config["datasets"] == [{"name": "example"}]
        assert config["encoder"]["name"] == "example"
        assert config["encoder"]["width"] == 6
        assert load(result.folder, registry=registry).predict(crystals[0])
        assert fit(resume=result.folder, epochs=2).history["epoch"] == [0.0, 1.0]
        assert any(not torch.equal(encoder.state_dict()[name], before[name]) for name in before)

    def test_the_objects_own_weights_are_trained(self, fit):
        """A learning rate of almost nothing leaves what the program had made of the encoder."""
        encoder = ExampleEncoder()
        encoder.species.weight.data.fill_(0.25)
        result = fit(encoder=encoder, learning_rate=1e-12)
        assert torch.allclose(result.model.encoder.species.weight, torch.tensor(0.25))
        (objects,) = read_object(result.folder / "run.json")["objects"].values()
        assert objects["class_path"] == "matsciml_core.testing.examples:ExampleEncoder"
        assert len(objects["initial_weights"]) == 64

    def test_the_model_is_a_copy(self, fit):
        encoder = ExampleEncoder()
        result = fit(encoder=encoder)
        assert not any(one.requires_grad for one in result.model.encoder.parameters())
        assert all(one.requires_grad for one in encoder.parameters())

    def test_a_class_that_no_plugin_offers_is_recorded(self, fit):
        result = fit(encoder=OwnEncoder(), dataset=OwnDataset())
        config = config_of(result)
        assert config["encoder"] == {"name": "own-encoder", "object": f"{__name__}:OwnEncoder"}
        assert config["datasets"] == [{"name": "own-dataset", "object": f"{__name__}:OwnDataset"}]
        said = read_object(result.folder / "run.json")
        assert said["objects"]["own-dataset"] == {"class_path": f"{__name__}:OwnDataset"}
        assert said["datasets"]["own-dataset"]["split"]["ids_hash"]
        assert list(result.metrics) == ["own-dataset/energy"]

    def test_it_cannot_be_built_by_its_name(self, fit, registry):
        folder = fit(encoder=OwnEncoder()).folder
        for again in (
            lambda: load(folder, registry=registry),
            lambda: fit(resume=folder, epochs=2),
            lambda: fit(folder / "config.yaml"),
        ):
            with pytest.raises(ConfigError, match=r"OwnEncoder', which no plugin offers, so that"):
                again()

    def test_it_can_be_handed_over_again(self, fit, registry, crystals):
        result = fit(encoder=OwnEncoder())
        model = load(result.folder, encoder=OwnEncoder(), registry=registry)
        assert model.predict(crystals[0])[0]["energy"] == pytest.approx(
            result.model.predict(crystals[0])[0]["energy"]
        )
        again = fit(resume=result.folder, epochs=2, encoder=OwnEncoder())
        assert again.history["epoch"] == [0.0, 1.0]
        tuned = fit(encoder=OwnEncoder(), init={"model": str(result.folder)})
        assert tuned.metrics

    def test_an_object_of_another_class_is_not_taken_for_it(self, fit, registry):
        folder = fit(encoder=OwnEncoder()).folder

        class Other(OwnEncoder):
            pass

        Other.__name__ = "OwnEncoder"
        with pytest.raises(ConfigError, match="Other' was handed over"):
            load(folder, encoder=Other(), registry=registry)

    def test_a_name_that_a_plugin_has_is_not_taken(self, fit):
        class Example(ExampleEncoder):
            pass

        config = config_of(fit(encoder=Example()))
        assert config["encoder"]["name"] == "example-object"

    def test_several_datasets(self, fit):
        result = fit(dataset=["example", OwnDataset()])
        assert set(result.metrics) == {KEY, "own-dataset/energy"}

    def test_an_encoder_of_another_precision(self, fit):
        with pytest.raises(ConfigError, match=r"float64.*precision"):
            fit(encoder=ExampleEncoder().double())
        assert fit(encoder=ExampleEncoder().double(), precision="float64").metrics


class TestResume:
    def interrupt(self, monkeypatch, step):
        original = InterruptGuard.on_train_batch_end

        def stop(self, trainer, module, *rest):
            if trainer.global_step == step:
                signal.raise_signal(signal.SIGINT)
            original(self, trainer, module, *rest)

        monkeypatch.setattr(InterruptGuard, "on_train_batch_end", stop)

    def test_ctrl_c_leaves_a_run_to_be_resumed(self, fit, monkeypatch):
        undisturbed = fit(epochs=2)
        handler = signal.getsignal(signal.SIGINT)
        with monkeypatch.context() as patch:
            self.interrupt(patch, 3)
            with pytest.raises(KeyboardInterrupt, match=r"train\(resume='") as stopped:
                fit(epochs=2)
        assert signal.getsignal(signal.SIGINT) is handler
        assert isinstance(stopped.value, RunInterrupted)
        assert stopped.value.resumable
        assert fit(resume=stopped.value.folder).metrics == undisturbed.metrics

    @pytest.mark.parametrize("saved", [0, 1, 2])
    @pytest.mark.parametrize("tested", ["best", "mean"])
    def test_a_run_that_died_while_it_saved_its_last_epoch_tests_that_epoch(
        self, fit, monkeypatch, tmp_path, saved, tested
    ):
        """The line in ``metrics.csv`` is written before the weights that it is about."""
        settings = {"epochs": 2, "keep_best": 2, "tested": tested, "learning_rate": 1e-3}
        undisturbed = fit(**settings)
        losses = undisturbed.history["validation/loss"]
        assert losses[1] < losses[0]
        save, calls = pl.Trainer.save_checkpoint, []

        def die(trainer, *arguments, **options):
            if trainer.current_epoch == 1:
                calls.append(arguments)
                if len(calls) > saved:
                    raise SystemExit("killed")
            save(trainer, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(pl.Trainer, "save_checkpoint", die)
            with pytest.raises(SystemExit):
                fit(**settings)
        folder = (tmp_path / "runs" / "latest").resolve()
        assert len(run_folder.read_metrics(folder)) == 2
        resumed = fit(resume=folder)
        assert resumed.metrics == undisturbed.metrics
        assert resumed.history["epoch"] == [0.0, 1.0]
        summaries = [read_object(run.folder / "run.json") for run in (undisturbed, resumed)]
        epochs = [2] if tested == "best" else [1, 2]
        assert [summary["tested_epochs"] for summary in summaries] == [epochs, epochs]

    def test_more_epochs(self, fit):
        result = fit()
        again = fit(resume=result.folder, epochs=2)
        assert again.folder == result.folder
        assert again.history["epoch"] == [0.0, 1.0]

    def test_a_finished_run_is_not_resumed(self, fit):
        folder = fit().folder
        before = (folder / "run.json").read_bytes()
        with pytest.raises(ConfigError, match="finished its 1 epochs already"):
            fit(resume=folder)
        assert (folder / "run.json").read_bytes() == before

    @pytest.mark.parametrize("more", [{}, {"epochs": 2}])
    def test_a_run_that_was_killed_while_its_report_was_written_gets_it(
        self, fit, registry, monkeypatch, tmp_path, more
    ):
        undisturbed = fit()

        def die(self, run, result):
            raise SystemExit("killed")

        with monkeypatch.context() as patch:
            patch.setattr(Registry, "after_fit", die)
            with pytest.raises(SystemExit):
                fit()
        folder = (tmp_path / "runs" / "latest").resolve()
        summary = (folder / "run.json").read_bytes()
        assert load(folder, registry=registry).targets  # it is finished all the same

        def tell(self, run, result):
            told.append((run.folder, set(run.datasets), result.metrics))
            return real(self, run, result)

        real, told = Registry.after_fit, []
        monkeypatch.setattr(Registry, "after_fit", tell)
        resumed = fit(resume=folder, **more)
        assert told == [(str(folder), {"example"}, resumed.metrics)]
        if not more:
            assert resumed.metrics == undisturbed.metrics
            assert resumed.baselines == undisturbed.baselines
            assert (folder / "run.json").read_bytes() == summary
            states = [run.model.encoder.state_dict() for run in (undisturbed, resumed)]
            torch.testing.assert_close(*states, rtol=0, atol=0)
        with pytest.raises(ConfigError, match="there is nothing to resume"):
            fit(resume=folder)
        assert len(told) == 1

    def test_undefined_metrics_of_a_run_that_gets_its_report_are_nan(self, fit):
        result = fit()
        summary = read_object(result.folder / "run.json")
        summary["metrics"]["test"][KEY]["r2"] = None  # as JSON has it
        write_json(result.folder / "run.json", summary)
        after_fit.begin(result.folder)
        resumed = fit(resume=result.folder)
        assert math.isnan(resumed.metrics[KEY]["r2"])
        assert any("r2 is undefined (nan)" in note for note in resumed.notes)

    def test_ctrl_c_while_the_report_is_written_says_that_the_run_is_finished(
        self, fit, monkeypatch
    ):
        def stop(self, run, result):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Registry, "after_fit", stop)
            with pytest.raises(RunInterrupted, match="is finished, and was interrupted") as stopped:
                fit()
        assert stopped.value.finished
        fit(resume=stopped.value.folder)
        assert not after_fit.is_outstanding(stopped.value.folder)

    @pytest.mark.parametrize("torn", ["", "{", '{"status": "fini', '{"status": "running"}', "[]"])
    def test_a_torn_summary_means_that_the_run_is_not_finished(self, fit, torn):
        result = fit()
        (result.folder / "run.json").write_text(torn, encoding="utf-8")
        again = fit(resume=result.folder)
        assert again.metrics == result.metrics
        assert read_object(result.folder / "run.json")["status"] == "finished"

    @pytest.mark.parametrize("torn", [b"", b"epoch,st", b"epoch,step,seconds\n0,9", b"\xff\n0\n"])
    def test_torn_metrics_are_said_before_anything_is_trained(self, fit, torn):
        folder = fit().folder
        (folder / "metrics.csv").write_bytes(torn)
        with pytest.raises(ConfigError, match=r"metrics\.csv' is damaged.*start again with"):
            fit(resume=folder, epochs=2)
        assert (folder / "metrics.csv").read_bytes() == torn

    def test_metrics_that_are_gone_are_said(self, fit):
        folder = fit().folder
        (folder / "metrics.csv").unlink()
        with pytest.raises(TrainingError, match=r"metrics\.csv' is missing"):
            fit(resume=folder)

    @pytest.mark.parametrize("section", ["datasets", "training"])
    def test_torn_settings_do_not_become_defaults(self, fit, section):
        folder = fit().folder
        data = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
        del data[section]
        (folder / "config.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
        with pytest.raises(ConfigError, match=f"no section '{section}'"):
            fit(resume=folder, epochs=2)

    def test_what_a_run_keeps_cannot_be_changed(self, fit):
        folder = fit().folder
        for change in ({"dataset": "example"}, {"encoder": "example"}, {"targets": "energy"}):
            with pytest.raises(ConfigError, match="goes on as it was configured"):
                fit(resume=folder, epochs=2, **change)


class TestLoggers:
    LOGGERS = """
        from matsciml_core import LoggerSpec, hookimpl

        @hookimpl
        def matsciml_loggers():
            path = "{package}.logger:make"
            yield LoggerSpec(name="mine", summary="s", class_path=path)
            yield LoggerSpec(name="remote", summary="s", class_path=path, default=False)
            yield LoggerSpec(name="absent", summary="s", class_path=path, requires=("no-such",))
    """
    LOGGER = """
        from pytorch_lightning.loggers import CSVLogger

        def make(folder):
            return CSVLogger(folder, name="mine", version="")
    """

    @pytest.fixture
    def written(self, fit, plugin_folder):
        """Return a function that trains, and says whether the logger has written anything."""
        plugin_folder.add_examples()
        plugin_folder.add("matsciml-log-mine", self.LOGGERS, modules={"logger": self.LOGGER})
        registry = build_registry(path=plugin_folder.search)

        def run(**options):
            return (fit(registry=registry, **options).folder / "mine" / "metrics.csv").exists()

        return run

    def test_those_that_are_on_are_used_where_they_can_be(self, written):
        assert written()

    def test_none_where_the_run_says_so(self, written):
        assert not written(loggers=[])

    def test_others_are_asked_for(self, written):
        assert written(loggers=["remote"])

    def test_one_that_is_asked_for_and_absent_is_an_error(self, written):
        with pytest.raises(PluginLoadError, match="pip install 'no-such'"):
            written(loggers=["absent"])
