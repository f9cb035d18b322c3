"""Where problems come from."""

from typing import Annotated

from pydantic import Field

from cotgen.problems.generated import GeneratedProblems
from cotgen.problems.huggingface import HuggingFaceProblems
from cotgen.problems.imported import ImportedProblems
from cotgen.problems.jsonl import JsonlProblems
from cotgen.problems.word_problems import WordProblems

AnyProblems = Annotated[
    JsonlProblems | HuggingFaceProblems | GeneratedProblems | WordProblems | ImportedProblems,
    Field(discriminator="kind"),
]

__all__ = [
    "AnyProblems",
    "GeneratedProblems",
    "HuggingFaceProblems",
    "ImportedProblems",
    "JsonlProblems",
]
