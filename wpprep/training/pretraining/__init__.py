"""Pretraining from shards: batches, the loop, checkpoints, metrics, the model folder.

pretrain      `train`: from options to a model folder
loop          the loop over steps
phases        shard folders mixed or one after the other, and the held-out rows
torch_data    batches as tensors, for hand-written loops and for transformers' Trainer
checkpoint    the state of a run on disk
divergence    stopping when the loss explodes or is not finite
signals       stopping on SIGINT and SIGTERM
progress      metrics of a step and of an evaluation
metrics       the metrics as JSON lines, events and curves
tensorboard   TensorBoard's event files
model_card    the README of a model folder
"""
