"""What a fine-tuned model must know to read a text as it did when it learned: stored in its results.json."""

from __future__ import annotations

from dataclasses import dataclass

from tokenizers import Encoding

from wpprep.tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A task as a model does it.

    Attributes:
        task: one of `wpprep.config.USES`.
        vocabulary: of the model.
        labels: names of the outputs in their order, of tasks that have labels.
        max_seq_length: longest row in tokens.
        stride: tokens that neighbouring windows of a context share.
        max_answer_tokens: longest answer.
        may_be_unanswerable: whether "no answer" is an answer.
    """

    task: str
    vocabulary: Vocabulary
    labels: tuple[str, ...] = ()
    max_seq_length: int = 128
    stride: int = 32
    max_answer_tokens: int = 30
    may_be_unanswerable: bool = False

    def encode(self, text: str) -> Encoding:
        """Ids and places of a text, without specials; what spells a special token in it is text."""
        return self.vocabulary.tokenizer.encode(text, add_special_tokens=False)
