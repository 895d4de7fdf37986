"""Fine-tuning of a pretrained BERT on labelled examples, and predictions on new text.

finetune("model", "reviews.tsv", "reviews-model", task="classify")
predict("reviews-model", "new.tsv", "predictions.jsonl")

tuning        `finetune`: from labelled files to a model folder
predicting    `predict`: from a fine-tuned model to a file of predictions
tasks         the table of tasks, each with its head, rows, predictions and measures
tagging, question_answering                  the two tasks with modules of their own
labelled, conll, squad                       readers of labelled files
examples      the record of a labelled example; held-out examples
model_setup, model_rows, heads, fitting      settings, input rows, models and training of one seed
measures, entities                           evaluation measures
"""
