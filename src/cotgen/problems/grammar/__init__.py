"""A grammar of multi-step arithmetic word problems, each with its worked solution."""

from cotgen.problems.grammar.draw import Part, draw_problem
from cotgen.problems.grammar.levels import FAMILIES, LEVELS, Difficulty, Family, Level, difficulty
from cotgen.problems.grammar.worked import STYLES, Earlier, Operation, Step, Worked, evaluate, tell

__all__ = [
    "FAMILIES",
    "LEVELS",
    "STYLES",
    "Difficulty",
    "Earlier",
    "Family",
    "Level",
    "Operation",
    "Part",
    "Step",
    "Worked",
    "difficulty",
    "draw_problem",
    "evaluate",
    "tell",
]
