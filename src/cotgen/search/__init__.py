"""Ways to spend teacher calls on one problem."""

from cotgen.search.sample import SampleSearch

AnySearch = SampleSearch

__all__ = ["AnySearch", "SampleSearch"]
