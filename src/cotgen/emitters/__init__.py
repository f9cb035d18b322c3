"""Dataset formats."""

from typing import Annotated

from pydantic import Field

from cotgen.emitters.cpt import CptEmitter
from cotgen.emitters.dpo import DpoEmitter
from cotgen.emitters.kto import KtoEmitter
from cotgen.emitters.orm import OrmEmitter
from cotgen.emitters.prm import PrmEmitter
from cotgen.emitters.rl import RlEmitter
from cotgen.emitters.rm import RmEmitter
from cotgen.emitters.sft import SftEmitter

AnyEmitter = Annotated[
    SftEmitter
    | DpoEmitter
    | KtoEmitter
    | RmEmitter
    | OrmEmitter
    | PrmEmitter
    | RlEmitter
    | CptEmitter,
    Field(discriminator="kind"),
]

__all__ = [
    "AnyEmitter",
    "CptEmitter",
    "DpoEmitter",
    "KtoEmitter",
    "OrmEmitter",
    "PrmEmitter",
    "RlEmitter",
    "RmEmitter",
    "SftEmitter",
]
