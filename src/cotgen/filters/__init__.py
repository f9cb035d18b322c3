"""Filters: what of a run enters chains and datasets."""

from typing import Annotated

from pydantic import Field

from cotgen.filters.balance import BalanceFilter
from cotgen.filters.decontaminate import DecontaminateFilter
from cotgen.filters.dedup import DedupFilter
from cotgen.filters.difficulty import DifficultyFilter
from cotgen.filters.language import LanguageFilter
from cotgen.filters.length import LengthFilter
from cotgen.filters.per_problem import PerProblemFilter
from cotgen.filters.repetition import RepetitionFilter

AnyFilter = Annotated[
    DedupFilter
    | DecontaminateFilter
    | LengthFilter
    | RepetitionFilter
    | LanguageFilter
    | DifficultyFilter
    | PerProblemFilter
    | BalanceFilter,
    Field(discriminator="kind"),
]

__all__ = [
    "AnyFilter",
    "BalanceFilter",
    "DecontaminateFilter",
    "DedupFilter",
    "DifficultyFilter",
    "LanguageFilter",
    "LengthFilter",
    "PerProblemFilter",
    "RepetitionFilter",
]
