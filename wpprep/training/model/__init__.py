"""The model: built, loaded, updated, on one or several processes.

model       BERT with its two heads, its losses
loading     model folders, ours and those of other libraries
optimizer   AdamW, learning rates, gradient norms
ranks       several processes that train one model
"""
