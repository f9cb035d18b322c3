"""`python -m cotgen`: what a scheduler starts, for it knows an interpreter but no PATH."""

from cotgen.cli import app

app(prog_name="cotgen")
