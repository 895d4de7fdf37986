"""The settings of a fine-tuned model that must be the same in training and in prediction."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Encoding

from wpprep.tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The settings of a fine-tuned model; results.json holds all but the vocabulary.

    Attributes:
        task: one of `wpprep.config.USES`.
        vocabulary: the vocabulary of the model.
        labels: names of the outputs, in order; empty for tasks without labels.
        max_seq_length: maximum number of tokens in a row.
        stride: number of tokens that consecutive windows of a context share.
        max_answer_tokens: maximum number of tokens in an answer.
        may_be_unanswerable: whether a question may have no answer.
    """

    task: str
    vocabulary: Vocabulary
    labels: tuple[str, ...] = ()
    max_seq_length: int = 128
    stride: int = 32
    max_answer_tokens: int = 30
    may_be_unanswerable: bool = False

    def encode(self, text: str) -> Encoding:
        """Encode a text without special tokens; the names of special tokens in it are plain text."""
        return self.vocabulary.tokenizer.encode(text, add_special_tokens=False)
