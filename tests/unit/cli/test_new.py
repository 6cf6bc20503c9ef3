"""``matsciml new``: names, refusals, and what the generated package consists of."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import matsciml_core
from matsciml_cli.app import execute
from matsciml_cli.commands.new import Kind, Plugin, compatible_releases, describe, render, write
from matsciml_core.errors import ConfigError

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "matsciml_cli" / "templates" / "plugin"
KINDS = tuple(Kind)
HOOKS = {
    Kind.DATASET: "matsciml_datasets",
    Kind.ENCODER: "matsciml_encoders",
    Kind.TASK_HEAD: "matsciml_task_heads",
    Kind.STRATEGY: "matsciml_strategies",
    Kind.READER: "matsciml_readers",
}
FOLDERS = {
    Kind.DATASET: "matsciml-data-mine",
    Kind.ENCODER: "matsciml-model-mine",
    Kind.TASK_HEAD: "matsciml-head-mine",
    Kind.STRATEGY: "matsciml-strategy-mine",
    Kind.READER: "matsciml-reader-mine",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MATSCIML_PLUGINS", "")


def files_of(kind: Kind, name: str = "mine", author: str = "") -> dict[str, str]:
    return render(describe(kind, name, author=author))


# Names


@pytest.mark.parametrize(
    ("kind", "name", "distribution", "module", "prefix"),
    [
        (Kind.DATASET, "mine", "matsciml-data-mine", "matsciml_data_mine", "Mine"),
        (Kind.ENCODER, "egnn2", "matsciml-model-egnn2", "matsciml_model_egnn2", "Egnn2"),
        (Kind.TASK_HEAD, "dos_peak", "matsciml-head-dos-peak", "matsciml_head_dos_peak", "DosPeak"),
        (Kind.STRATEGY, "mgda-ub", "matsciml-strategy-mgda-ub", "matsciml_strategy_mgda_ub", None),
    ],
)
def test_everything_is_derived_from_the_name(
    kind: Kind, name: str, distribution: str, module: str, prefix: str | None
) -> None:
    plugin = describe(kind, name)
    assert (plugin.name, plugin.distribution, plugin.module) == (name, distribution, module)
    assert plugin.prefix == (prefix or "MgdaUb")


@pytest.mark.parametrize(
    "name", ["Mine", "2d", "a--b", "a-", "_a", "mine!", "my data", "a.b", "a+b", "é", "", "../up"]
)
def test_refuses_a_bad_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["new", "dataset", "--", name]) == 2
    error = capsys.readouterr().err
    assert f"'{name}' cannot name a plugin" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("Mine", "mine"), ("my data", "my-data"), ("a--b", "a-b"), ("2D-MatPedia", "d-matpedia")],
)
def test_suggests_a_name_that_would_do(name: str, suggestion: str) -> None:
    with pytest.raises(ConfigError, match=f"for example '{suggestion}'"):
        describe(Kind.DATASET, name)
    assert describe(Kind.DATASET, suggestion).name == suggestion


def test_suggests_nothing_where_nothing_is_left_of_the_name() -> None:
    with pytest.raises(ConfigError, match=r"between them\.$"):
        describe(Kind.DATASET, "42")


def test_refuses_a_kind_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["new", "datset", "mine"]) == 2
    error = capsys.readouterr().err
    assert "datset" in error
    assert "task-head" in error


def test_refuses_a_name_that_an_installed_plugin_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path / "installed", "taken", monkeypatch)
    assert execute(["new", "dataset", "taken"]) == 2
    error = capsys.readouterr().err
    assert "The name 'taken' is taken: matsciml-data-taken 7.1 offers a dataset called so" in error
    assert "pip uninstall matsciml-data-taken" in error
    assert not Path("matsciml-data-taken").exists()


def test_a_name_of_another_kind_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "installed", "shared", monkeypatch)
    assert execute(["new", "encoder", "shared"]) == 0


def install(site: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a dataset plugin on the path, as pip would."""
    plugin = describe(Kind.DATASET, name)
    write(render(plugin), site / "source")
    metadata = site / f"{plugin.module}-7.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {plugin.distribution}\nVersion: 7.1\n"
    )
    (metadata / "entry_points.txt").write_text(
        f"[matsciml.plugins]\n{name} = {plugin.module}.plugin\n"
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(site / "source" / "src"))
    monkeypatch.setenv("MATSCIML_PLUGINS", name)


# Where the folder goes


@pytest.mark.parametrize("kind", KINDS)
def test_writes_a_folder_and_says_what_to_do_next(
    kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["new", kind.value, "mine"]) == 0
    folder = Path(FOLDERS[kind])
    written = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert written == files_of(kind)
    output = capsys.readouterr().out
    for step in (
        f"cd {folder}",
        'pip install -e ".[test]"',
        "python -m pytest tests",
        "matsciml check mine",
        "matsciml data import" if kind is Kind.READER else "matsciml run --",
    ):
        assert f"  {step}" in output


def test_the_last_step_uses_the_new_component(capsys: pytest.CaptureFixture[str]) -> None:
    execute(["new", "dataset", "mine"])
    assert "matsciml run --dataset mine --encoder megnet" in capsys.readouterr().out
    execute(["new", "encoder", "mine"])
    assert "matsciml run --dataset mp --encoder mine" in capsys.readouterr().out
    execute(["new", "task-head", "mine"])
    assert "--set head.name=mine" in capsys.readouterr().out
    execute(["new", "strategy", "mine"])
    assert "--strategy mine" in capsys.readouterr().out
    execute(["new", "reader", "mine"])
    assert "example.txt --format mine" in capsys.readouterr().out


def test_output_names_the_parent_folder_and_creates_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["new", "dataset", "mine", "--output", "my plugins/data"]) == 0
    assert (tmp_path / "my plugins" / "data" / "matsciml-data-mine" / "pyproject.toml").is_file()
    # The line is meant to be pasted into a shell.
    assert "cd 'my plugins/data/matsciml-data-mine'" in capsys.readouterr().out


def test_refuses_a_folder_that_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "matsciml-data-mine" / "README.md"
    mine.parent.mkdir()
    mine.write_text("Years of work.")
    assert execute(["new", "dataset", "mine"]) == 2
    assert "exists already and is left as it is" in capsys.readouterr().err
    assert [path.read_text() for path in mine.parent.iterdir()] == ["Years of work."]


def test_a_second_call_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["new", "dataset", "mine", "--author", "Ada"]) == 0
    licence = Path("matsciml-data-mine/LICENSE").read_text()
    assert execute(["new", "dataset", "mine", "--author", "Eve"]) == 2
    assert Path("matsciml-data-mine/LICENSE").read_text() == licence
    assert "'matsciml-data-mine' exists already" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_refuses_a_file_in_the_way(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    assert execute(["new", "dataset", "mine", "--output", output]) == 2
    assert "--output" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "x"


def test_needs_neither_torch_nor_pymatgen() -> None:
    program = (
        "import sys; from matsciml_cli.app import execute; code = execute(['new', 'encoder', 'a']);"
        "print(code, sorted({'torch', 'pymatgen', 'pytorch_lightning'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.splitlines()[-1] == "0 []"


# What is in the folder


@pytest.mark.parametrize("kind", KINDS)
def test_has_the_layout_of_the_house(kind: Kind) -> None:
    files = files_of(kind)
    module = f"src/{FOLDERS[kind].replace('-', '_')}"
    part = {Kind.TASK_HEAD: "head"}.get(kind, kind.value)
    expected = {
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        *(f"{module}/{name}.py" for name in ("__init__", "plugin", "config", part)),
        f"{module}/py.typed",
        "tests/test_contract.py",
        f"tests/test_{part}.py",
    }
    assert expected <= files.keys()
    assert files[f"{module}/plugin.py"].count("\n") <= 40
    assert files["tests/test_contract.py"].count("\n") <= 30


@pytest.mark.parametrize("kind", KINDS)
def test_every_template_of_the_kind_becomes_a_file(kind: Kind) -> None:
    templates = [*TEMPLATES.glob("common/**/*.j2"), *TEMPLATES.glob(f"{kind.value}/**/*.j2")]
    assert len(files_of(kind)) == len(templates) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_templates_is_left(kind: Kind) -> None:
    for path, text in files_of(kind, "other").items():
        assert not re.search(r"\{\{|\}\}|\{%|%\}|MODULE|\.j2", path + text), path
        # Placeholders are for names that users choose; ours must not be baked in.
        assert not re.search(r"\bmine\b|Mine|_mine|-mine", text), path


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_tidy(kind: Kind) -> None:
    for path, text in files_of(kind).items():
        assert not re.search(r"[ \t]+$", text, re.MULTILINE), path
        assert "\n\n\n\n" not in text, path
        assert path.endswith("py.typed") or re.search(r"[^\n]\n\Z", text), path
        assert "\n\n\n" not in text or path.endswith(".py"), path


@pytest.mark.parametrize("kind", KINDS)
def test_python_files_compile_and_explain_themselves(kind: Kind) -> None:
    for path, text in files_of(kind).items():
        if path.endswith(".py"):
            compile(text, path, "exec", dont_inherit=True)
            assert ast.get_docstring(ast.parse(text)), path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "mine", "a-rather-long-name"])
def test_passes_ruff_with_our_settings(kind: Kind, name: str, tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff comes with the extra 'lint'")
    write(render(describe(kind, name)), tmp_path / "plugin")
    # As if the plugin lay in our tree, where matsciml_core is code of our own.
    source = f"src = ['{ROOT.as_posix()}', 'src']"
    settings = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), "--config", source, "."]
    for command in (["check"], ["format", "--diff"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings],
            cwd=tmp_path / "plugin",
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_package_metadata(kind: Kind) -> None:
    plugin = describe(kind, "mine")
    project = tomllib.loads(files_of(kind)["pyproject.toml"])
    metadata = project["project"]
    assert project["build-system"]["build-backend"] == "hatchling.build"
    assert metadata["name"] == FOLDERS[kind]
    assert metadata["entry-points"] == {"matsciml.plugins": {"mine": f"{plugin.module}.plugin"}}
    assert metadata["dynamic"] == ["version"]
    assert project["tool"] == {
        "hatch": {
            "version": {"path": f"src/{plugin.module}/__init__.py"},
            "build": {"targets": {"wheel": {"packages": [f"src/{plugin.module}"]}}},
        }
    }


def test_requires_the_installed_core() -> None:
    project = tomllib.loads(files_of(Kind.DATASET)["pyproject.toml"])["project"]
    (requirement,) = project["dependencies"]
    assert requirement.startswith("matsciml>=")
    allowed = SpecifierSet(requirement.removeprefix("matsciml"))
    assert matsciml_core.__version__ in allowed
    assert "99.0" not in allowed


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.9.3", ">=0.9,<0.10"),
        ("0.2.0.dev4", ">=0.2,<0.3"),
        ("1.0.0", ">=1.0,<2"),
        ("3.7.2", ">=3.7,<4"),
    ],
)
def test_range_of_releases(version: str, expected: str) -> None:
    assert compatible_releases(version) == expected


@pytest.mark.parametrize("author", ['Ada "Countess" Lovelace', "Søren\\Å", "Two\nLines", "O'Neil"])
def test_any_author_is_written_properly(author: str) -> None:
    files = files_of(Kind.DATASET, author=author)
    expected = " ".join(author.split())
    assert tomllib.loads(files["pyproject.toml"])["project"]["authors"] == [{"name": expected}]
    assert re.search(rf"Copyright \(c\) 20\d\d {re.escape(expected)}\n", files["LICENSE"])


def test_without_an_author_the_authors_are_the_authors() -> None:
    assert "The authors of matsciml-data-mine\n" in files_of(Kind.DATASET)["LICENSE"]


@pytest.mark.parametrize("kind", KINDS)
def test_readme_has_the_four_commands_and_names_files_that_exist(kind: Kind) -> None:
    files = files_of(kind)
    plugin = describe(kind, "mine")
    commands = re.findall(r"^    ((?:pip|python|matsciml) .*)$", files["README.md"], re.MULTILINE)
    assert commands == [
        'pip install -e ".[test]"',
        "python -m pytest tests",
        "matsciml check mine",
        plugin.try_out,
    ]
    explained = re.findall(r"^\| `(\w+\.py)` \|", files["README.md"], re.MULTILINE)
    code = {
        path.rpartition("/")[2] for path in files if re.fullmatch(r"src/.*(?<!__init__)\.py", path)
    }
    assert set(explained) == code


# What the plugin says of itself


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path, for packages that no other test imports."""
    monkeypatch.syspath_prepend(str(tmp_path / "plugin" / "src"))
    return tmp_path / "plugin"


def written(kind: Kind, folder: Path, name: str) -> Plugin:
    plugin = describe(kind, name)
    write(render(plugin), folder)
    return plugin


@pytest.mark.parametrize("kind", KINDS)
def test_offers_one_component_that_can_be_loaded(kind: Kind, importable: Path) -> None:
    plugin = written(kind, importable, "unit-test")
    module = import_module(f"{plugin.module}.plugin")
    (spec,) = getattr(module, HOOKS[kind])()
    assert (spec.kind, spec.name) == (kind.value, "unit-test")
    component, config = spec.load(), spec.load_config()
    assert component.__name__.startswith("UnitTest")
    assert component.__doc__
    assert config.__name__ == "UnitTestConfig"
    for field in config.model_fields.values():
        assert field.description, "every setting explains itself"
        assert not field.is_required(), "every setting has a default"


@pytest.mark.parametrize("kind", KINDS)
def test_plugin_module_is_light(kind: Kind, importable: Path) -> None:
    plugin = written(kind, importable, "light")
    program = (
        f"import sys; sys.path.insert(0, {str(importable / 'src')!r}); "
        f"import {plugin.module}.plugin; "
        "print(sorted({'torch', 'numpy', 'pymatgen', 'pydantic'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_dataset_agrees_with_its_spec(importable: Path) -> None:
    plugin = written(Kind.DATASET, importable, "agreeing")
    (spec,) = import_module(f"{plugin.module}.plugin").matsciml_datasets()
    dataset = spec.load()()
    assert len(dataset) == spec.size == 120
    assert dataset.targets == {info.name: info for info in spec.targets}
    assert dataset.ids[0] == "Al-fcc"


def test_reader_in_the_docstring_works(importable: Path, tmp_path: Path) -> None:
    plugin = written(Kind.DATASET, importable, "documented")
    source = import_module(f"{plugin.module}.source")
    example = re.search(r"::\n\n((?:    .*\n|\n)+)", source.__doc__)
    assert example is not None
    structure = pytest.importorskip("pymatgen.core").Structure.from_spacegroup(
        "Fm-3m", [[5.64, 0, 0], [0, 5.64, 0], [0, 0, 5.64]], ["Na", "Cl"], [[0] * 3, [0.5] * 3]
    )
    structure.to(filename=str(tmp_path / "NaCl.cif"))
    import pymatgen.core

    names = {"pymatgen": pymatgen, "Crystal": matsciml_core.Crystal}
    exec(re.sub("^    ", "", example[1], flags=re.MULTILINE), names)
    crystal = names["crystal"]
    assert sorted(crystal.atomic_numbers) == [11] * 4 + [17] * 4
    assert crystal.volume == pytest.approx(5.64**3)
    assert crystal.positions.max() > 1, "Cartesian"
