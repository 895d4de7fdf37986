"""The merge kernel: pairs of pieces become pieces, the best by a score first.

segmentation   counted words as sequences of pieces
scores         what a merge is chosen by
best_pair      the pair with the best score, by bounds and a heap
heap           the heap
apply_merge    replace a pair in every word that holds it
merges         the loop over all of them
"""
