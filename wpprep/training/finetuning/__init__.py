"""Fine-tuning: a pretrained BERT learns a task from labelled examples, and predicts on new text.

finetune("model", "reviews.tsv", "reviews-model", task="classify")
predict("reviews-model", "new.tsv", "predictions.jsonl")
"""
