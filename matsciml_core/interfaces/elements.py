"""The elements' symbols, and formulas made of them; imports nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
SYMBOLS = tuple(_TABLE.split())
"""Symbols in the order of the atomic numbers, hydrogen first."""


def symbol(number: int) -> str:
    """Return the symbol of an element by its atomic number, 1 to 118.

    >>> symbol(11)
    'Na'
    """
    return SYMBOLS[number - 1]


def formula(numbers: Iterable[int]) -> str:
    """Return the formula of the atoms of a cell, in the order of the atomic numbers.

    >>> formula([8, 22, 8])
    'O2Ti'
    """
    counts = sorted(Counter(int(number) for number in numbers).items())
    return "".join(f"{symbol(number)}{count if count > 1 else ''}" for number, count in counts)
