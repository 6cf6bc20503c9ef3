"""The rules that keep files of strangers harmless; the page on threats says what for.

Each list of exceptions names file, call and reason. An entry that is no longer needed fails, too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

WRITES = {
    ".write_text", ".write_bytes", ".touch", ".symlink_to", ".hardlink_to", ".rename", ".savefig",
    "os.replace", "os.rename", "os.truncate", "os.link", "os.symlink", "shutil.copy",
    "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move", "save_file", "torch.save",
    "np.save", "np.savez", "np.savez_compressed", ".tofile", ".to_csv", ".to_json", "mkstemp",
    "NamedTemporaryFile",
}  # fmt: skip
PARSES = {
    "json.load", "json.loads", "yaml.safe_load", "yaml.load", "yaml.parse", "gzip.decompress",
    "bz2.decompress", "lzma.decompress", "zlib.decompress", "lmdb.open", "torch.load",
    "np.load", "np.memmap", "load_file", "safe_open", "tarfile.open", "zipfile.ZipFile",
    "h5py.File",
}  # fmt: skip
PROCESSES = {"subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output"}
HTML = {"Markup"}

CHGNET = "plugins/matsciml-model-chgnet/src/matsciml_model_chgnet/"
SEVENNET = "plugins/matsciml-model-sevennet/src/matsciml_model_sevennet/"
OCP = "plugins/matsciml-data-ocp/src/matsciml_data_ocp/"
READER_ASE = "plugins/matsciml-reader-ase/src/matsciml_reader_ase/"
GENERATE = "plugins/matsciml-tool-generate/src/matsciml_tool_generate/"
MACE = "plugins/matsciml-model-mace/src/matsciml_model_mace/"
ORB = "plugins/matsciml-model-orb/src/matsciml_model_orb/"
MATTERSIM = "plugins/matsciml-model-mattersim/src/matsciml_model_mattersim/"
MEGNET = "plugins/matsciml-model-megnet/src/matsciml_model_megnet/"
PAGES = "plugins/matsciml-util-pages/src/matsciml_util_pages/"
SOURCES = "plugins/matsciml-util-sources/src/matsciml_util_sources/"
ENV = "plugins/matsciml-tool-env/src/matsciml_tool_env/"
LAUNCHERS = "plugins/matsciml-util-launchers/src/matsciml_util_launchers/"

DEEPMD = "plugins/matsciml-reader-potentials/src/matsciml_reader_potentials/deepmd.py"

OF_THE_HELPER = "to a file that the helper has made"
MAY_WRITE = {
    ("matsciml_cli/app.py", ".write_text"): "of typer's formatter, which writes help",
    (f"{SOURCES}download.py", "os.replace"): "a whole download, checked, gets its name",
    ("matsciml_core/data/store/resumable.py", "os.replace"): "LMDB's own copy, made exclusively",
    ("matsciml_core/files.py", "open for writing"): "the helper",
    ("matsciml_core/files.py", "os.replace"): "the helper",
    ("matsciml_core/interfaces/generation.py", "save_file"): OF_THE_HELPER,
    (
        "matsciml_core/model/latest.py",
        ".symlink_to",
    ): "a link of ours, renamed over it",
    ("matsciml_core/model/storage.py", "save_file"): OF_THE_HELPER,
    (f"{MEGNET}weights.py", "save_file"): OF_THE_HELPER,
    (f"{ENV}packages.py", "os.link"): "into the folder of an environment that is being made",
    (f"{ENV}packages.py", "shutil.copy"): "the same, from one disk to another",
    (f"{GENERATE}sampling.py", "save_file"): OF_THE_HELPER,
}
OWN = "data of the package itself"
SAFE = "safetensors, which hold numbers and a header of JSON"
TAR = "names are not used as paths, and sizes are checked"
MAY_PARSE = {
    (
        "plugins/matsciml-tool-export/src/matsciml_tool_export/exported_model.py",
        "json.loads",
    ): "travels with an exported program, and runs where this project is not installed",
    (
        "plugins/matsciml-tool-export/src/matsciml_tool_export/mliap_model.py",
        "json.loads",
    ): "the same, for LAMMPS",
    ("matsciml_core/data/readers/_lmdb_child.py", "lmdb.open"): "in a process of its own",
    ("matsciml_core/data/store/crystal_store.py", "lmdb.open"): "our store; its size is compared",
    ("matsciml_core/data/store/resumable.py", "lmdb.open"): "our unfinished store",
    ("matsciml_core/data/symmetry/stored_orbits.py", "np.memmap"): "bytes; hash and size compared",
    ("matsciml_core/guarded.py", "json.loads"): "the guarded parser",
    ("matsciml_core/guarded.py", "yaml.parse"): "the guarded parser",
    ("matsciml_core/interfaces/generation.py", "load_file"): SAFE,
    ("matsciml_core/interfaces/generation.py", "safe_open"): SAFE,
    ("matsciml_core/model/storage.py", "load_file"): SAFE,
    ("matsciml_core/registry/installed.py", "json.load"): "pip's note in an installed distribution",
    ("matsciml_core/registry/known_plugins.py", "json.loads"): OWN,
    ("matsciml_core/registry/setting_names.py", "json.loads"): OWN,
    (
        "matsciml_core/training/checkpoint.py",
        "torch.load",
    ): "weights only, see torch's bound",
    ("matsciml_core/training/segments.py", "torch.load"): "weights only, see torch's bound",
    (f"{CHGNET}weights.py", "torch.load"): "weights only, of a file that is known by its hash",
    (
        f"{SEVENNET}checkpoint.py",
        "torch.load",
    ): "weights and plain arrays, of a file known by its hash",
    (f"{OCP}is2re.py", "tarfile.open"): TAR,
    (f"{OCP}s2ef.py", "tarfile.open"): TAR,
    (f"{MEGNET}weights.py", "load_file"): SAFE,
    (f"{MACE}weights_file.py", "zipfile.ZipFile"): "entries as they are, read by our own machine",
    (f"{MATTERSIM}conversion.py", "torch.load"): "weights only; tensors and settings are checked",
    (f"{ORB}conversion.py", "torch.load"): "weights only; what is not a tensor is refused",
    (f"{ENV}sources.py", "zipfile.ZipFile"): "metadata of a wheel that is going to be installed",
    (DEEPMD, "np.load"): "numbers; NumPy refuses objects, which would be pickled",
    (f"{READER_ASE}hdf5.py", "h5py.File"): "links and sizes are checked behind it",
    (f"{READER_ASE}writers.py", "lmdb.open"): "a new database of ours",
    (f"{GENERATE}coverage.py", "json.loads"): OWN,
    (f"{GENERATE}fingerprints.py", "lmdb.open"): "our cache",
    (f"{GENERATE}metrics_table.py", "json.loads"): OWN,
    (f"{GENERATE}sampling.py", "json.loads"): "what was written as JSON a moment before",
    (f"{GENERATE}sampling.py", "load_file"): SAFE,
    (f"{LAUNCHERS}watched.py", "json.loads"): "words of our own command line",
    (f"{PAGES}crystal_pictures.py", "yaml.safe_load"): "a table of colours that pymatgen ships",
    (f"{SOURCES}archive.py", "tarfile.open"): TAR,
    (f"{SOURCES}archive.py", "zipfile.ZipFile"): TAR,
    (f"{SOURCES}spool.py", "json.loads"): "what was written as JSON a moment before",
}
MAY_START = {
    ("matsciml_cli/_bug_report.py", "subprocess.run"): "asks this Python for torch's version",
    ("matsciml_core/data/readers/foreign_lmdb.py", "subprocess.Popen"): "the child that reads LMDB",
    (f"{ENV}installer.py", "subprocess.Popen"): "pip or uv, with what the user asks for",
    (f"{ENV}making.py", "subprocess.run"): "the Python of an environment, for what it offers",
    (f"{LAUNCHERS}processes.py", "subprocess.Popen"): "the watcher of the user's own runs",
    (f"{LAUNCHERS}watched.py", "subprocess.call"): "the user's own runs, without a shell",
}
MAY_TRUST = {
    (f"{PAGES}crystal_pictures.py", "Markup"): "numbers, formatted here",
    (f"{PAGES}page_shell.py", "Markup"): "what a template has escaped; our style and script",
    (f"{PAGES}svg.py", "Markup"): "what matplotlib has drawn, with text as paths",
}
SAMPLES = re.compile(
    r".*/(\w+_)?samples\.py|matsciml_core/testing/.*|.*/testing/.*|matsciml_cli/testing\.py"
)
"""Write the files that readers are tested with, into folders that a test has just made."""


@pytest.fixture(scope="module")
def used(sources) -> dict[str, list[str]]:
    """Names of the functions that each file calls."""
    return {
        path: list(called(ast.parse(text)))
        for path, text in sources.items()
        if not SAMPLES.fullmatch(path)
    }


def called(tree: ast.Module) -> Iterator[str]:
    """Yield the names of calls, and ``open for writing`` for those that open a file so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield name
            if name.rpartition(".")[2] in ("open", "fdopen") and opens_for_writing(node):
                yield "open for writing"


def opens_for_writing(call: ast.Call) -> bool:
    """Return whether a call of ``open`` has a mode in which files are changed."""
    values = [*call.args, *(word.value for word in call.keywords if word.arg == "mode")]
    texts = [one.value for one in values if isinstance(one, ast.Constant)]
    return any(
        isinstance(one, str) and re.fullmatch(r"[rwaxbt+]*[wax+][bt+]*", one) for one in texts
    )


def found(used: dict[str, list[str]], names: set[str]) -> set[tuple[str, str]]:
    """Return which files call which of some functions."""
    wanted = {*names, "open for writing"} if names is WRITES else names
    return {
        (path, name)
        for path, calls in used.items()
        for call in calls
        for name in wanted
        if call == name or (name[0] == "." and call.endswith(name))
    }


@pytest.mark.parametrize(
    ("names", "reasons"),
    [(WRITES, MAY_WRITE), (PARSES, MAY_PARSE), (PROCESSES, MAY_START), (HTML, MAY_TRUST)],
    ids=["writes", "parses", "processes", "html"],
)
def test_what_is_dangerous_has_a_reason(used, names, reasons):
    calls = found(used, names)
    assert calls - reasons.keys() == set()
    assert reasons.keys() - calls == set()


@pytest.fixture(scope="module")
def templates(own_text) -> dict[str, str]:
    return {path: text for path, text in own_text.items() if path.endswith(".html.j2")}


def test_every_page_has_the_content_policy(templates):
    """One frame has it, and no other template begins a page."""
    frames = {path for path, text in templates.items() if re.search(r"<html|<head|<body", text)}
    assert {path.rpartition("/")[2] for path in frames} == {"frame.html.j2"}
    (frame,) = frames
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', templates[frame])
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'sha256-{{ script_hash }}'"
    assert rules["base-uri"] == rules["form-action"] == "'none'"


def test_templates_escape_what_they_are_given(templates):
    for path, text in templates.items():
        assert not re.search(r"\|\s*safe|autoescape\s+false", text), path
        assert not re.search(r"\son[a-z]+\s*=", text), path  # scripts in attributes
        if not path.endswith("frame.html.j2"):
            assert "<script" not in text, path


def test_pages_are_rendered_in_one_module(used):
    users = {path for path, calls in used.items() if any(c == "Environment" for c in calls)}
    assert {path for path in users if path.startswith("plugins/")} == {f"{PAGES}page_shell.py"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("path.open('w')", True),
        ("path.open(mode='ab')", True),
        ("open(path, 'r+b')", True),
        ("path.open('rb')", False),
        ("path.open()", False),
        ("tarfile.open(path, 'r|gz')", False),
    ],
)
def test_writing_is_recognised(code, expected):
    assert ("open for writing" in called(ast.parse(code))) is expected
