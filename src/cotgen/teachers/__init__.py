"""LLMs that generate."""

from typing import Annotated

from pydantic import Field

from cotgen.teachers.local import LocalTeacher
from cotgen.teachers.openai import OpenAITeacher
from cotgen.teachers.replay import ReplayTeacher
from cotgen.teachers.scripted import ScriptedTeacher

AnyTeacher = Annotated[
    LocalTeacher | OpenAITeacher | ReplayTeacher | ScriptedTeacher, Field(discriminator="kind")
]
