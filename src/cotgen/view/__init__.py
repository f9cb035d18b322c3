"""`cotgen view`: a local page to browse a run, fast at a hundred thousand problems.

Everything it shows may be hostile: the server sends JSON, and the page makes text nodes of it.
"""

from cotgen.view.server import application, is_private, serve

__all__ = ["application", "is_private", "serve"]
