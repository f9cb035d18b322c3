"""Requests gathered into batches: the Batch API of OpenAI and of those who speak like it."""
