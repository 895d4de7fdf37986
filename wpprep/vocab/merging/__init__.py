"""The merge kernel: pairs of pieces become pieces, the pair with the highest score first.

segmentation   counted words as sequences of pieces
scores         the scores that the next merge is chosen by
best_pair      the pair with the highest score, found by upper bounds and a heap
heap           the heap
apply_merge    replacement of a pair in every word that contains it
merges         the loop over these
"""
