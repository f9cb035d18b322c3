"""Causal language models in this process: loading, decoding in batches, sampling."""
