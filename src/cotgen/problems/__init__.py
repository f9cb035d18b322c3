"""Where problems come from."""

from typing import Annotated

from pydantic import Field

from cotgen.problems.generated import GeneratedProblems
from cotgen.problems.huggingface import HuggingFaceProblems
from cotgen.problems.imported import ImportedProblems
from cotgen.problems.jsonl import JsonlProblems
from cotgen.problems.remaining import RemainingProblems
from cotgen.problems.run import RunProblems
from cotgen.problems.word_problems import WordProblems

AnyProblems = Annotated[
    JsonlProblems
    | HuggingFaceProblems
    | GeneratedProblems
    | WordProblems
    | RunProblems
    | RemainingProblems
    | ImportedProblems,
    Field(discriminator="kind"),
]

# Its source is of any kind on this menu, which was not known where it is defined.
RemainingProblems.model_rebuild(_types_namespace={"AnyProblems": AnyProblems})

__all__ = [
    "AnyProblems",
    "GeneratedProblems",
    "HuggingFaceProblems",
    "ImportedProblems",
    "JsonlProblems",
    "RemainingProblems",
    "RunProblems",
]
