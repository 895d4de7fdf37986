"""A trained model in use: vectors, masked words, attention.

embed       vectors of text
fill        predictions for masked words
attention   a page that draws every head
"""
