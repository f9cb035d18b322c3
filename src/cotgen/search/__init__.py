"""Ways to spend teacher calls on one problem."""

from typing import Annotated

from pydantic import Field

from cotgen.search.imported import ImportedSearch
from cotgen.search.sample import SampleSearch

AnySearch = Annotated[SampleSearch | ImportedSearch, Field(discriminator="kind")]

__all__ = ["AnySearch", "ImportedSearch", "SampleSearch"]
