"""A run on disk: append-only tables, the journal of completions, the manifest and the lock."""

from cotgen.store.folder import RunFolder, replace_file
from cotgen.store.inorder import InOrder
from cotgen.store.journal import JOURNAL, Journal
from cotgen.store.table import Table

__all__ = ["JOURNAL", "InOrder", "Journal", "RunFolder", "Table", "replace_file"]
