"""Encoding: text to token ids, each distinct chunk worked on once (scanner), kept on disk (tokens)."""
