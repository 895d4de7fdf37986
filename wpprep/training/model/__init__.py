"""The model: its construction, its losses and its optimizer, in one or several processes.

model       BERT with its two heads and their losses
loading     model folders, of wpprep and of other libraries
optimizer   AdamW, learning rates, gradient norms
ranks       several processes that train one model
"""
