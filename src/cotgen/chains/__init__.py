"""Long chains of thought, built from attempts."""

from cotgen.chains.revision import RevisionChains

AnyChains = RevisionChains

__all__ = ["AnyChains", "RevisionChains"]
