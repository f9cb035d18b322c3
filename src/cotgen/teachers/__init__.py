"""LLMs that generate."""

from typing import Annotated

from pydantic import Field

from cotgen.teachers.imported import ImportedTeacher
from cotgen.teachers.local import LocalTeacher
from cotgen.teachers.openai import OpenAITeacher
from cotgen.teachers.replay import ReplayTeacher
from cotgen.teachers.scripted import ScriptedTeacher
from cotgen.teachers.vllm import VllmTeacher

AnyTeacher = Annotated[
    OpenAITeacher | VllmTeacher | LocalTeacher | ReplayTeacher | ScriptedTeacher | ImportedTeacher,
    Field(discriminator="kind"),
]

__all__ = [
    "AnyTeacher",
    "ImportedTeacher",
    "LocalTeacher",
    "OpenAITeacher",
    "ReplayTeacher",
    "ScriptedTeacher",
    "VllmTeacher",
]
