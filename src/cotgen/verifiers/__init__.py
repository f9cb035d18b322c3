"""Judges of a final answer: the menu of this family.

A verifier is plain and pure; it runs in a process that is killed when it is late.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cotgen.verifiers.exact import ExactVerifier
from cotgen.verifiers.math import MathVerifier

AnyVerifier = Annotated[MathVerifier | ExactVerifier, Field(discriminator="kind")]

__all__ = ["AnyVerifier", "ExactVerifier", "MathVerifier"]
