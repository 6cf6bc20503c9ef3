"""A fake of the Carolina Materials Database: CIF files, and pages for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matsciml_util_sources.fake_server import Answer, Asked, FaultServer
from matsciml_util_sources.fake_source import FakeSource, Sample

CIFS, PAGES = "/static/export/cifs/", "/entry/"
ROWS = 60
_METALS = ["Na", "Mg", "K", "Ca", "Ti", "Fe", "Zn", "Rb", "Ag", "Cs"]
_OTHERS = ["F", "Cl", "Br", "O", "S", "Te"]
DASH, NO_FILE, PARTLY, WRONG_FORMULA, NO_PAGE = 7, 11, 13, 17, 19
"""Crystals with what makes trouble."""


def symbols(number: int) -> tuple[str, str]:
    """Return the elements of a crystal, of which no two have the same."""
    return _METALS[number % 10], _OTHERS[number // 10]


def is_blende(number: int) -> bool:
    """Return whether a crystal is of the type of ZnS, with 8 atoms, and not of that of CsCl."""
    return number % 3 == 0


def length(number: int) -> float:
    """Return the length of the cell's edges, Å."""
    return (5.5 if is_blende(number) else 3.5) + 0.01 * number


def sites(number: int) -> list[tuple[str, list[float]]]:
    """Return element and fractional coordinates of all atoms."""
    first, second = symbols(number)
    if not is_blende(number):
        return [(first, [0.0, 0.0, 0.0]), (second, [0.5, 0.5, 0.5])]
    corners = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    inner = [[value + 0.25 for value in corner] for corner in corners]
    return [(first, corner) for corner in corners] + [(second, corner) for corner in inner]


def cif(number: int) -> str:
    """Return a file as pymatgen writes it: the whole cell, beside symmetry operations."""
    first, second = symbols(number)
    count = 4 if is_blende(number) else 1
    stated = f"{first}{2 if number == WRONG_FORMULA else count} {second}{count}"
    group = "216" if is_blende(number) else "221"
    edges = "".join(f"_cell_length_{axis}   {length(number):.8f}\n" for axis in "abc")
    atoms = ""
    for place, (symbol, fractional) in enumerate(sites(number)):
        shown = "  ".join(f"{value:.8f}" for value in fractional)
        occupied = "0.5" if number == PARTLY else "1"
        atoms += f"  {symbol}  {symbol}{place}  1  {shown}  {occupied}\n"
    return f"""# generated using pymatgen
data_{first}{second}
_symmetry_space_group_name_H-M   '{"F-43m" if is_blende(number) else "Pm-3m"}'
{edges}_cell_angle_alpha   90.00000000
_cell_angle_beta   90.00000000
_cell_angle_gamma   90.00000000
_symmetry_Int_Tables_number   {group}
_chemical_formula_structural   {first}{second}
_chemical_formula_sum   '{stated}'
_cell_volume   {length(number) ** 3:.8f}
_cell_formula_units_Z   {count}
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
  2  '-x, -y, -z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_symmetry_multiplicity
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
{atoms}"""


def energy(number: int) -> str:
    """Return what a crystal's page states, eV/atom."""
    return "–" if number == DASH else f"{-0.5 - 0.01 * number:.3f}"


def page(number: int) -> str:
    """Return a crystal's page."""
    box = '<div><h5>{}</h5>\n  <span class="value">{}</span></div>\n'
    boxes = [("Volume", "42.0"), ("Formation Energy / Atom", energy(number)), ("Band Gap", "1.0")]
    body = "".join(box.format(*one) for one in boxes)
    return f"<!DOCTYPE html><html><head><title>Entry</title></head><body>{body}</body></html>"


def serve_cif(asked: Asked) -> Answer:
    """Answer for ``n.cif``."""
    number = int(asked.path.removeprefix(CIFS).removesuffix(".cif"))
    known = number < ROWS and number != NO_FILE
    return Answer(cif(number).encode()) if known else Answer(status=404)


def serve_page(asked: Asked) -> Answer:
    """Answer for the page of an entry; entries count from 1, files from 0."""
    number = int(asked.path.removeprefix(PAGES).strip("/")) - 1
    known = 0 <= number < ROWS and number != NO_PAGE
    kind = {"Content-Type": "text/html; charset=utf-8"}
    return Answer(page(number).encode(), headers=kind) if known else Answer(status=404)


@contextmanager
def serve() -> Iterator[FaultServer]:
    """Run the site."""
    with FaultServer() as server:
        server.handlers[CIFS] = serve_cif
        server.handlers[PAGES] = serve_page
        server.handlers["/robots.txt"] = lambda asked: Answer(b"User-agent: *\nDisallow: /admin/\n")
        yield server


SOURCES = {
    "carolina": FakeSource(
        serve=serve,
        mirrors=("www.carolinamatdb.org",),
        arguments=("--set", "from_site=true", "--limit", str(ROWS)),
        environment={"MATSCIML_CONFIG": str(Path(__file__).with_name("rates.toml"))},
        slow={f"{CIFS}30.cif": ["slow:3"]},
        sample=Sample(
            id="carolina-23",
            atomic_numbers=[20, 35],
            positions=[[0.0, 0.0, 0.0], [1.865, 1.865, 1.865]],
            cell=[[3.73, 0.0, 0.0], [0.0, 3.73, 0.0], [0.0, 0.0, 3.73]],
            labels={"formation_energy_per_atom": -0.73, "space_group": 220},
        ),
    )
}
