"""Inference with a trained model: vectors, masked words, attention.

embed       vectors of texts and of tokens, and the similarity of lines
fill        predictions for masked words
attention   a page and a picture with the attention of every head
"""
