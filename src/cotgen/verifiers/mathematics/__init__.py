"""Mathematical answers: find them in a text (extract), read them (parse), decide (compare)."""
