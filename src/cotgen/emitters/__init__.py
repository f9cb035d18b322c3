"""Dataset formats."""

from typing import Annotated

from pydantic import Field

from cotgen.emitters.dpo import DpoEmitter
from cotgen.emitters.sft import SftEmitter

AnyEmitter = Annotated[SftEmitter | DpoEmitter, Field(discriminator="kind")]

__all__ = ["AnyEmitter", "DpoEmitter", "SftEmitter"]
