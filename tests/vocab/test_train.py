"""Learning a vocabulary: its size, its alphabet, the use of its entries, and reproducibility."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from wpprep.config import SPECIAL_TOKENS, VocabOptions
from wpprep.errors import OptionError, VocabularyError
from wpprep.tokenizer.normalization import TextRules
from wpprep.tokenizer.vocabulary import LearnedVocabulary, Vocabulary, write_vocabulary
from wpprep.vocab.counting.words import WordCounts
from wpprep.vocab.train import learn_vocabulary

SAMPLE = Path(__file__).parents[2] / "sample_corpus"


def sample_text(folder: str = "wiki") -> str:
    """Return the text of a folder of the sample corpus."""
    return "\n".join(file.read_text("utf-8") for file in sorted((SAMPLE / folder).iterdir()))


def learn(text: str, **options: Any) -> LearnedVocabulary:
    """Learn a vocabulary of a text."""
    vocab = VocabOptions(**options)
    rules = TextRules(vocab)
    return learn_vocabulary(WordCounts.of(Counter(rules.words(text))), vocab, rules)


def tokenizer_of(learned: LearnedVocabulary, folder: Path, **options: Any) -> Any:
    """Write a vocabulary and return the tokenizer read back."""
    write_vocabulary(folder, learned, VocabOptions(**options))
    return Vocabulary.from_folder(folder).tokenizer


@pytest.mark.parametrize("score", ["likelihood", "frequency", "ratio"])
@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "bbpe"])
def test_the_size_asked_for_is_the_size_given(algorithm: str, score: str) -> None:
    """For every algorithm and score, special tokens included, no entry is repeated."""
    learned = learn(sample_text(), algorithm=algorithm, score=score, vocab_size=700, min_pair_count=2)
    assert len(learned.pieces) == len(set(learned.pieces)) == 700
    assert learned.pieces[:5] == list(SPECIAL_TOKENS)


@pytest.mark.parametrize(
    ("folder", "size"), [("wiki", 1100), ("wiki-ko", 110), ("wiki-ja", 110), ("wiki-zh", 56)]
)
def test_words_of_known_characters_are_never_unknown(folder: str, size: int, tmp_path: Path) -> None:
    """Any word of kept characters, in any order, has pieces; characters have all forms they need."""
    options: dict[str, Any] = {"vocab_size": size, "limit_alphabet": 40}
    text = sample_text(folder)
    learned = learn(text, **options)
    tokenizer, rules = tokenizer_of(learned, tmp_path, **options), TextRules(VocabOptions(**options))
    kept = {piece for piece in learned.pieces if len(piece) == 1}
    for character in kept:
        assert (f"##{character}" in learned.pieces) == (rules.words("a" + character) != ["a", character])
    for word in Counter(rules.words(text)):
        backwards = "".join(reversed(word))
        for spelled in (word, backwards):
            if set(rules.words(spelled)) == {spelled}:
                is_known = set(spelled) <= kept
                assert ("[UNK]" not in tokenizer.encode(spelled, add_special_tokens=False).tokens) == is_known


def test_every_slot_is_in_use_but_for_the_alphabet(tmp_path: Path) -> None:
    """The entries that the encoder does not use on the counted words are single characters only."""
    text = sample_text()
    learned = learn(text, vocab_size=1500)
    used = set(tokenizer_of(learned, tmp_path, vocab_size=1500).encode(text, add_special_tokens=False).tokens)
    idle = [piece for piece in learned.pieces[5:] if piece not in used]
    assert len(idle) == learned.unused
    assert all(len(piece.removeprefix("##")) == 1 for piece in idle)
    kept = learn(text, vocab_size=1500, keep_unused=True)
    assert kept.unused > learned.unused
    assert len(kept.pieces) == 1500


def test_characters_that_are_rare_or_beyond_the_limit_are_dropped() -> None:
    """Characters below min_char_count or beyond limit_alphabet are dropped; ties go by code point."""
    text = "aaaa bbbb cccc dd eeee ffff"
    assert {piece for piece in learn(text, vocab_size=18).pieces[5:] if len(piece) == 1} == set("abcef")
    limited = learn(text, vocab_size=12, limit_alphabet=3)
    assert {piece for piece in limited.pieces[5:] if len(piece) == 1} == set("abc")
    assert limited.dropped_characters == 3
    rare = learn(text, vocab_size=19, min_char_count=2)
    assert "d" in rare.pieces


def test_initial_alphabet_is_kept_however_rare() -> None:
    """Its characters come first within the limit, normalised."""
    text = "aaaa bbbb cccc " * 3
    learned = learn(text, vocab_size=12, initial_alphabet="XY", limit_alphabet=3)
    assert {piece for piece in learned.pieces[5:] if len(piece) == 1} == set("axy")
    with pytest.raises(VocabularyError, match="initial_alphabet has 8 entries"):
        learn(text, vocab_size=9, initial_alphabet="wxyz")


def test_own_special_tokens_follow_those_of_bert(tmp_path: Path) -> None:
    """They follow [MASK], and the tokenizer treats them as special."""
    options: dict[str, Any] = {"vocab_size": 700, "special_tokens": ("[E1]", "[E2]")}
    learned = learn(sample_text(), **options)
    assert learned.pieces[:7] == [*SPECIAL_TOKENS, "[E1]", "[E2]"]
    assert len(learned.pieces) == 700
    tokenizer = tokenizer_of(learned, tmp_path, **options)
    tokenizer.encode_special_tokens = False
    assert tokenizer.encode("[E1] the [E2]", add_special_tokens=False).ids[::2][:2] == [5, 6]


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "bbpe"])
def test_bert_ids(algorithm: str) -> None:
    """Special tokens have BERT's ids 0 and 100 to 103, with unused entries between."""
    options: dict[str, Any] = {"vocab_size": 700, "bert_ids": True, "special_tokens": "[E1]"}
    learned = learn(sample_text(), algorithm=algorithm, **options)
    ids = {piece: i for i, piece in enumerate(learned.pieces)}
    assert [ids[token] for token in SPECIAL_TOKENS] == [0, 100, 101, 102, 103]
    assert learned.pieces[1:100] == [f"[unused{i}]" for i in range(99)]
    assert ids["[E1]"] == 104
    assert len(learned.pieces) == len(ids) == 700
    assert learned.special_tokens == [*SPECIAL_TOKENS, "[E1]"]


@pytest.mark.parametrize("tokens", [("[PAD]",), ("[X]", "[X]"), ("",), ("[unused5]",)])
def test_special_tokens_that_clash_are_refused(tokens: tuple[str, ...]) -> None:
    """A special token that exists already, is repeated or is empty is an error in the options."""
    with pytest.raises(OptionError, match="special_tokens holds"):
        VocabOptions(special_tokens=tokens)


def test_a_special_token_spelled_like_a_word_is_refused() -> None:
    """A special token that equals a piece is an error, because the piece would become special in texts."""
    with pytest.raises(VocabularyError, match="'the' equals a piece"):
        learn(sample_text(), vocab_size=1500, special_tokens=("the",))


@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "bbpe"])
def test_a_size_the_corpus_cannot_give_is_one_clear_line(algorithm: str) -> None:
    """The message says how many entries there are and what to do."""
    with pytest.raises(VocabularyError, match=r"gives only \d+ entries, vocab_size is 5,000: .*lower vocab"):
        learn("to be or not to be " * 3, algorithm=algorithm, vocab_size=5000)
    with pytest.raises(VocabularyError, match="contains no words"):
        learn("", algorithm=algorithm)


def test_merges_replay_to_the_trained_segmentation(tmp_path: Path) -> None:
    """The library's encoder, replaying the written merges, produces their products."""
    options: dict[str, Any] = {"algorithm": "bpe", "vocab_size": 900}
    learned = learn(sample_text(), **options)
    used = set(tokenizer_of(learned, tmp_path, **options).encode(sample_text()).tokens)
    products = {left + right for left, right in learned.merges}
    assert learned.pieces[-len(learned.merges) :] == [left + right for left, right in learned.merges]
    assert len(products & used) > 0.8 * len(products)


_SCRIPT = """
import sys, hashlib
sys.path.insert(0, {tests!r})
from test_train import learn, sample_text
for algorithm in ("wordpiece", "bpe", "bbpe"):
    learned = learn(sample_text(), algorithm=algorithm, vocab_size=900)
    print(hashlib.sha256(repr((learned.pieces, learned.merges)).encode()).hexdigest())
"""


def test_hash_seeds_change_nothing() -> None:
    """Processes with different PYTHONHASHSEED learn the same entries in the same order."""
    script = _SCRIPT.format(tests=str(Path(__file__).parent))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_the_order_of_words_changes_nothing() -> None:
    """Counts in another order give the same vocabulary."""
    options = VocabOptions(vocab_size=1200)
    rules = TextRules(options)
    words = Counter(rules.words(sample_text()))
    there = learn_vocabulary(WordCounts.of(words), options, rules)
    back = learn_vocabulary(WordCounts.of(dict(reversed(words.items()))), options, rules)
    assert there == back
