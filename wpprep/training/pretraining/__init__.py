"""Pretraining from shards: batches, the loop, checkpoints, figures, the model folder.

pretrain      `train`: from options to a model folder
loop          the loop over steps
phases        shard folders in turn, for a share of the steps each
torch_data    batches as tensors, for loops of your own and for transformers' Trainer
checkpoint    the state of a run on disk
divergence    losses that are not numbers
signals       stopping at a signal or a time limit
progress      figures of a step and of an evaluation
metrics       those figures on disk
tensorboard   the same as TensorBoard events
model_card    the README of a model folder
"""
