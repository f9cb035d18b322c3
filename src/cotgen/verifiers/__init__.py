"""Judges of a final answer: the menu of this family.

A verifier is plain and pure; it runs in a process that is killed when it is late.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cotgen.verifiers.choice import ChoiceVerifier
from cotgen.verifiers.code import CodeVerifier
from cotgen.verifiers.combined import AllOfVerifier, AnyOfVerifier
from cotgen.verifiers.exact import ExactVerifier
from cotgen.verifiers.math import MathVerifier
from cotgen.verifiers.rule import RuleVerifier

AnyVerifier = Annotated[
    MathVerifier
    | ExactVerifier
    | ChoiceVerifier
    | RuleVerifier
    | CodeVerifier
    | AnyOfVerifier
    | AllOfVerifier,
    Field(discriminator="kind"),
]

for _combined in (AnyOfVerifier, AllOfVerifier):
    # Their parts are of any kind on this menu, which was not known where they are defined.
    _combined.model_rebuild(_types_namespace={"AnyVerifier": AnyVerifier})

__all__ = [
    "AllOfVerifier",
    "AnyOfVerifier",
    "AnyVerifier",
    "ChoiceVerifier",
    "CodeVerifier",
    "ExactVerifier",
    "MathVerifier",
    "RuleVerifier",
]
