"""LLMs that generate."""

from typing import Annotated

from pydantic import Field

from cotgen.teachers.openai import OpenAITeacher
from cotgen.teachers.replay import ReplayTeacher
from cotgen.teachers.scripted import ScriptedTeacher

AnyTeacher = Annotated[OpenAITeacher | ReplayTeacher | ScriptedTeacher, Field(discriminator="kind")]

__all__ = ["AnyTeacher", "OpenAITeacher", "ReplayTeacher", "ScriptedTeacher"]
