"""What trains and measures the tiny teacher; the package itself needs none of it."""
