"""Formats of other people's datasets."""

from typing import Annotated

from pydantic import Field

from cotgen.importers.chat import ChatImporter
from cotgen.importers.evaluations import GsmAttemptsImporter, QwenEvalImporter
from cotgen.importers.mathaps import MathApsImporter
from cotgen.importers.numina import Numina15Importer, NuminaCotImporter
from cotgen.importers.openr1 import OpenR1Importer
from cotgen.importers.prm800k import Prm800kImporter
from cotgen.importers.s1k import S1kImporter
from cotgen.importers.shape import Given, Imported, Importer, Skipped
from cotgen.importers.step_labels import (
    MathShepherdImporter,
    ProcessBenchImporter,
    TrlPrmImporter,
)
from cotgen.importers.thoughts import (
    JourneyImporter,
    OpenO1Importer,
    OpenThoughtsImporter,
    StillImporter,
)
from cotgen.importers.ultrainteract import UltraInteractImporter

AnyImporter = Annotated[
    ChatImporter
    | GsmAttemptsImporter
    | JourneyImporter
    | MathApsImporter
    | MathShepherdImporter
    | Numina15Importer
    | NuminaCotImporter
    | OpenO1Importer
    | OpenR1Importer
    | OpenThoughtsImporter
    | Prm800kImporter
    | ProcessBenchImporter
    | QwenEvalImporter
    | S1kImporter
    | StillImporter
    | TrlPrmImporter
    | UltraInteractImporter,
    Field(discriminator="kind"),
]

__all__ = ["AnyImporter", "Given", "Imported", "Importer", "Skipped"]
