"""The elements' symbols, and formulas made of them; light to import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from math import gcd

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
SYMBOLS = tuple(_TABLE.split())
"""Symbols in the order of the atomic numbers, hydrogen first."""
_BY_ELECTRONEGATIVITY = (
    "He Ne Ar Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og Fr Cs K Rb Ba Ra Na Sr Li Ca La Tb "
    "Yb Ac Ce Pr Pm Nd Sm Eu Gd Y Dy Ho Er Tm Lu Pu Hf Th Am Cm Bk Cf Es Fm Md No Lr Mg Zr Sc "
    "Np U Ta Pa Ti Mn Be Nb Al Tl V Zn Cr Cd In Ga Fe Co Si Cu Tc Re Ni Ag Sn Hg Po Ge Bi B "
    "Sb Te Mo As P H Ru Pd Os Ir At Rn Rh Pt Pb W Au C Se S Xe I Br Kr N Cl O F"
)
"""From the least to the most electronegative by Pauling's scale, unknown ones first."""
_RANKS = {symbol: rank for rank, symbol in enumerate(_BY_ELECTRONEGATIVITY.split())}


def symbol(number: int) -> str:
    """Return the symbol of an element by its atomic number, 1 to 118.

    >>> symbol(11)
    'Na'
    """
    return SYMBOLS[number - 1]


@lru_cache(maxsize=1024)
def atomic_number(symbol: str) -> int | None:
    """Return the atomic number of an element's symbol, oxidation state and isotope ignored.

    >>> atomic_number("Fe3+"), atomic_number("D"), atomic_number("X")
    (26, 1, None)
    """
    return _NUMBERS.get("".join(letter for letter in symbol if letter.isalpha()))


_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, 1)} | {"D": 1, "T": 1}


def formula(numbers: Iterable[int], *, reduced: bool = False) -> str:
    """Return the formula of the atoms of a cell, the most electronegative element last.

    Args:
        numbers: Atomic numbers of the atoms.
        reduced: Divide by what divides all counts.

    >>> formula([8, 8, 22, 8, 8, 22])
    'Ti2O4'
    >>> formula([8, 8, 22, 8, 8, 22], reduced=True)
    'TiO2'
    """
    counts = Counter(symbol(int(number)) for number in numbers)
    divisor = gcd(*counts.values()) if reduced and counts else 1
    parts = ((name, counts[name] // divisor) for name in sorted(counts, key=_RANKS.__getitem__))
    return "".join(f"{name}{count if count > 1 else ''}" for name, count in parts)
