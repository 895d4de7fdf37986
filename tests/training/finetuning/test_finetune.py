"""Fine-tuning: rows and their way back to the text, learning, the folder that comes out, predictions."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bert import torch, transformers, write_bert

from wpprep.errors import CorpusError, MissingInputError, OptionError, OutputError, TrainingError
from wpprep.storage.manifest import find_damage
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning import question_answering as answering
from wpprep.training.finetuning import tagging
from wpprep.training.finetuning.examples import Answer, Example
from wpprep.training.finetuning.model_rows import Part, Row, collate, fit, plan_batches
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.predicting import predict
from wpprep.training.finetuning.question_answering import best_span
from wpprep.training.finetuning.tagging import First
from wpprep.training.finetuning.tuning import finetune
from wpprep.training.inference.fill import fill_mask
from wpprep.training.model.model import no_progress_bar

FILES = {
    "classify": "sentiment.tsv",
    "pair": "pairs.tsv",
    "choice": "choices.jsonl",
    "tag": "entities.conll",
    "qa": "questions.json",
}
QUICK = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3, "max_seq_length": 48}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Bits repeat on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model(vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(vocab, tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def labelled(sample_corpus: Path) -> Path:
    return sample_corpus / "labelled"


@pytest.mark.parametrize("task", FILES)
def test_every_task_runs_from_file_to_predictions(model, labelled, tmp_path, task):
    """The folder is whole, loads with transformers, and predicts on the file what it was measured to."""
    out = tmp_path / "out"
    data = labelled / FILES[task]
    done = finetune(model, data, out, task=task, test=data, seeds=2, **QUICK)
    assert find_damage(out) == []
    assert len(done.seeds) == 2
    results = json.loads((out / "results.json").read_text())
    best = next(seed for seed in results["seeds"] if seed["seed"] == done.best_seed)
    again = predict(out, data, tmp_path / "predictions.jsonl")
    assert again.measures == pytest.approx(best["test"])
    assert (tmp_path / "predictions.jsonl").read_bytes() == (out / "predictions.jsonl").read_bytes()
    loaded, info = transformers.AutoModel.from_pretrained(out, output_loading_info=True)
    assert not [name for name in info["missing_keys"] if "pooler" not in name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert len(tokenizer) == loaded.config.vocab_size
    if task in ("classify", "pair", "tag"):
        assert list(loaded.config.id2label.values()) == results["setup"]["labels"]


@pytest.mark.parametrize("task", ["regress", "pair-regress"])
def test_numbers_are_learned(model, tmp_path, task):
    """A number that one word tells is found: the correlation on what was learned from comes near 1."""
    lines = [
        {"text": f"it was {word}", "second": "x", "score": score} for word, score in (("good", 1), ("bad", 0))
    ]
    lines = [{**line, "text": f"{line['text']} {i}"} for line in lines for i in range(12)]
    (tmp_path / "f").write_text("".join(json.dumps(line) + "\n" for line in lines))
    many = {**QUICK, "epochs": 12, "learning_rate": 3e-3, "dropout": 0.0}
    done = finetune(model, tmp_path / "f", tmp_path / "out", dev=tmp_path / "f", task=task, **many)
    assert done.measures["dev"]["pearson"]["mean"] > 0.9


def test_labels_are_learned_and_transformers_agrees(model, labelled, tmp_path):
    """What was learned from is known by heart, and transformers' pipeline says the same of it."""
    data, out = labelled / "sentiment.tsv", tmp_path / "out"
    many = {**QUICK, "epochs": 25, "patience": 25, "learning_rate": 3e-3, "dropout": 0.0}
    done = finetune(model, data, out, dev=data, **many)
    assert done.measures["dev"]["accuracy"]["mean"] > 0.95
    predict(out, data, tmp_path / "p.jsonl")
    mine = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    texts = [line.split("\t")[1] for line in data.read_text().splitlines()[1:]]
    with no_progress_bar():
        theirs = transformers.pipeline("text-classification", model=str(out), device="cpu")(texts)
    assert [line["label"] for line in mine] == [line["label"] for line in theirs]
    assert [line["probability"] for line in mine] == pytest.approx([line["score"] for line in theirs], abs=1e-4)


def test_entities_are_learned(model, labelled, tmp_path):
    """Tags come back on the words they were learned on."""
    data = labelled / "entities.conll"
    many = {**QUICK, "epochs": 60, "patience": 60, "learning_rate": 3e-3, "dropout": 0.0}
    done = finetune(model, data, tmp_path / "out", dev=data, task="tag", **many)
    assert done.measures["dev"]["entity_f1"]["mean"] > 0.9


def test_the_same_seed_gives_the_same_bytes_and_a_killed_run_goes_on(model, labelled, tmp_path):
    """A run stopped in its second seed goes on there, and ends as one that was never stopped."""
    data, whole, cut = labelled / "pairs.tsv", tmp_path / "whole", tmp_path / "cut"
    options = {**QUICK, "task": "pair", "seeds": 3}
    finetune(model, data, whole, **options)
    told = []

    def stop(line):
        told.append(line.seed)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(model, data, cut, progress=stop, **options)
    with pytest.raises(OutputError, match="the work of another command: options.epochs 1 instead of 2"):
        finetune(model, data, cut, **{**options, "epochs": 2})
    finetune(model, data, cut, progress=stop, **options)
    assert told == [12345, 12346, 12346, 12347]
    files = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in cut.iterdir()) == files
    for name in files:
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    assert finetune(model, data, cut, progress=stop, **options).best_seed  # finished: nothing is done again
    assert len(told) == 4


def test_random_weights_are_a_comparison(model, labelled, tmp_path):
    """From scratch, nothing of the checkpoint's weights is left; otherwise the embeddings hardly move."""
    embedding = "bert.embeddings.word_embeddings.weight"
    start = transformers.BertForPreTraining.from_pretrained(model).state_dict()[embedding]
    off = {}
    for scratch in (False, True):
        out = tmp_path / str(scratch)
        finetune(model, labelled / "sentiment.tsv", out, from_scratch=scratch, **QUICK)
        tuned = transformers.BertForSequenceClassification.from_pretrained(out).state_dict()[embedding]
        off[scratch] = float((tuned - start).abs().mean())
    assert off[False] < 0.005
    assert off[True] > 0.01


def test_checkpoints_from_elsewhere(vocab, labelled, tmp_path):
    """A BertModel without heads is taken, its vocabulary in vocab.txt and its weights in a .bin file."""
    folder = write_bert(vocab, tmp_path / "theirs")
    bert = transformers.BertModel.from_pretrained(folder)
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    bert.config.save_pretrained(folder)
    torch.save(bert.state_dict(), folder / "pytorch_model.bin")
    done = finetune(folder, labelled / "sentiment.tsv", tmp_path / "out", **QUICK)
    assert done.examples["train"] == 36


def test_models_that_cannot_be_tuned_are_refused(model, labelled, tmp_path):
    """No model or no weights, another kind of model, rows that are too long, no result: one line each."""
    data, out = labelled / "sentiment.tsv", tmp_path / "out"
    with pytest.raises(MissingInputError, match="no config.json"):
        finetune(tmp_path, data, out)
    with pytest.raises(OptionError, match="max_seq_length is 65, the model takes at most 64"):
        finetune(model, data, out, max_seq_length=65)
    with pytest.raises(MissingInputError, match="no results.json"):
        predict(model, data, tmp_path / "p")
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (bare / name).write_bytes((model / name).read_bytes())
    with pytest.raises(MissingInputError, match=r"no model.safetensors"):
        finetune(bare, data, out)
    (bare / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(MissingInputError, match="the weights cannot be read"):
        finetune(bare, data, out)
    (bare / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(OptionError, match="a model of type gpt2, expected bert"):
        finetune(bare, data, out)


def test_questions_may_have_unequal_numbers_of_choices(model, tmp_path):
    """Batches hold questions of as many choices; all are learned from and answered, in their order."""
    lines = [
        {"question": f"question {i}", "choices": ["lamp", "tide", "bees"][: 2 + i % 2], "label": i % 2}
        for i in range(30)
    ]
    (tmp_path / "f").write_text("".join(json.dumps(line) + "\n" for line in lines))
    many = {**QUICK, "epochs": 3, "batch_size": 4, "bins": 2}
    done = finetune(model, tmp_path / "f", tmp_path / "out", task="choice", **many)
    assert done.seeds[0]["steps"] >= 3 * -(-27 // 4)
    predict(tmp_path / "out", tmp_path / "f", tmp_path / "p")
    found = [json.loads(line) for line in (tmp_path / "p").read_text().splitlines()]
    assert [line["gold"] for line in found] == [line["label"] for line in lines]
    assert all(line["label"] < 2 + i % 2 for i, line in enumerate(found))


def test_a_fine_tuned_model_fills_no_blanks(model, labelled, tmp_path):
    """Its head for masked words is gone; a random one in its place would answer nonsense."""
    finetune(model, labelled / "sentiment.tsv", tmp_path / "out", **QUICK)
    with pytest.raises(MissingInputError, match="the model has no MLM head"):
        fill_mask(tmp_path / "out", "the [MASK]")


def test_a_loss_that_is_no_number_stops_the_run(model, labelled, tmp_path):
    """The seed and the step are named, and the learning rate; nothing finished is left."""
    wild = {**QUICK, "learning_rate": 1e30, "epochs": 3, "eval_steps": 3}
    with pytest.raises(
        TrainingError, match=r"seed 12345: the loss is not finite before step 3; lower the learning"
    ):
        finetune(model, labelled / "sentiment.tsv", tmp_path / "out", **wild)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_labels_that_training_has_not_are_named(model, tmp_path):
    """A label of the dev file that was never learned, and a training file of one label, are refused."""
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t2\n")
    (tmp_path / "dev.tsv").write_text("text\tlabel\na\t1\nb\t3\n")
    with pytest.raises(
        CorpusError, match=r"dev.tsv:3: label '3' is not in the training examples, which have 1, 2"
    ):
        finetune(model, tmp_path, tmp_path / "out")
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t1\n")
    with pytest.raises(CorpusError, match=r"train.tsv:2: all training examples have the label '1'"):
        finetune(model, tmp_path, tmp_path / "out")


def test_labels_of_the_part_that_judges_are_known(model, tmp_path):
    """What is parted from the training file may have a label that is nowhere else in it; no seed must fail."""
    lines = [f"the lamp {i}\t{i if i > 17 else i % 2}" for i in range(20)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]))
    for seed in range(4):
        out = tmp_path / f"{seed}"
        finetune(model, tmp_path / "train.tsv", out, **{**QUICK, "epochs": 1}, dev_share=0.5, seed=seed)
        assert json.loads((out / "results.json").read_text())["setup"]["labels"] == ["0", "1", "18", "19"]


@pytest.mark.parametrize(
    ("task", "known", "text"),
    [
        ("classify", "sentiment.tsv", "text\tlabel\nThe tour was a joy.\tpositive\nIt was odd.\tmixed\n"),
        ("tag", "entities.conll", "Maren B-PER\nsleeps O\n\nMonday B-DAY\ncomes O\n"),
    ],
)
def test_labels_that_a_model_has_not_count_as_missed(model, labelled, tmp_path, task, known, text):
    """New text with a label that was never learned is predicted all the same, and measured."""
    finetune(model, labelled / known, tmp_path / "out", task=task, **{**QUICK, "epochs": 1})
    (tmp_path / "new").write_text(text)
    done = predict(tmp_path / "out", tmp_path / "new", tmp_path / "found.jsonl")
    assert done.examples == 2
    assert done.measures["accuracy"] < 1
    gold = [json.loads(line)["gold"] for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert gold[1] in ("mixed", ["B-DAY", "O"])


def test_special_tokens_in_text_are_text(model, labelled, tmp_path):
    """A text that spells [SEP] or [MASK] becomes no special token."""
    roles = Vocabulary.from_folder(model).roles
    setup = Setup(task="classify", vocabulary=Vocabulary.from_folder(model))
    assert not {roles.sep, roles.mask, roles.cls} & set(setup.encode("[SEP] a [MASK] [CLS]").ids)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 3)), min_size=1, max_size=60), st.integers(1, 7))
def test_batches_hold_every_row_once(shapes, batch_size):
    """Each row is in one batch of its epoch, padded to a multiple of 8, with rows of as many parts."""
    rows = [Row((Part([7] * length, length),) * parts, 0) for length, parts in shapes]
    batches = plan_batches(rows, batch_size, 2, seed=3, epoch=1)
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    for batch in batches:
        chosen = [rows[i] for i in batch]
        assert len(chosen) <= batch_size
        assert len({len(row.parts) for row in chosen}) == 1
        inputs = collate(chosen, 0, torch.device("cpu"))
        longest = max(len(row.parts[0].ids) for row in chosen)
        assert inputs["input_ids"].shape[1] == -(-longest // 8) * 8
        assert int(inputs["attention_mask"].sum()) == sum(len(part.ids) for row in chosen for part in row.parts)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(2, 60))
def test_pairs_fit(first, second, room):
    """Two texts fill the room and no more; a side is cut only if both do not fit, and only to half at most."""
    a, b = fit(first, second, room)
    assert (a, b) == (first, second) if first + second <= room else a + b in (room, room - 1)
    assert a == first or a >= room // 2
    assert b == second or b >= room // 2


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(4, 12))
def test_windows_of_words_hold_every_word_once(lengths, room):
    """Windows follow one another, begin at words, and are longer than the room only for one long word."""
    starts = np.cumsum([0, *lengths])
    firsts = [First(i, int(start)) for i, start in enumerate(starts[:-1])]
    found = list(tagging.windows(firsts, int(starts[-1]), room))
    assert found[0][0] == 0
    assert found[-1][1] == starts[-1]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert all(stop - start <= room or stop - start in lengths for start, stop in found)
    assert {start for start, _ in found} <= set(starts.tolist())


def test_long_sentences_are_tagged_to_the_end(model):
    """In rows of 8 tokens every word keeps its own label: decoding the targets gives the gold tags back."""
    words = ("the", "keeper", "of", "Saint", "Orm", "sold", "\u200b", "42,000", "lighthouses", "to", "nobody")
    gold = ("O", "O", "O", "B", "I", "O", "O", "B", "O", "O", "O")
    setup = Setup(
        task="tag", vocabulary=Vocabulary.from_folder(model), labels=("O", "B", "I"), max_seq_length=8
    )
    example = Example(words, gold, "f:1", None, "")
    rows = tagging.encode(example, setup)
    assert len(rows) > 2
    outputs = []
    for row in rows:
        output = np.zeros((8, 3), np.float32)
        labels = tagging.targets([row], 8)["labels"][0].numpy()
        output[np.flatnonzero(labels >= 0), labels[labels >= 0]] = 1
        outputs.append(output)
    assert tuple(tagging.decode(example, rows, outputs, setup)["tags"]) == gold


def test_byte_level_pieces_find_their_words():
    """A piece that begins with the blank before a word is that word's first piece."""
    offsets = [(0, 5), (5, 11), (11, 12), (12, 16)]  # "Sioux", " Falls", ",", " now"
    words = ["Sioux", "Falls", ",now"]
    assert tagging.first_pieces(words[:2], offsets) == [First(0, 0), First(1, 1)]
    assert tagging.first_pieces(["Sioux", "\x00\x00\x00\x00\x00", "now"], [(0, 5), (12, 15)]) == [
        First(0, 0),
        First(2, 1),
    ]


@given(st.integers(0, 80), st.integers(3, 30), st.integers(0, 30))
def test_windows_of_contexts_cover_them(tokens, room, stride):
    """Windows reach from the first token to the last, none longer than the room, each overlapping the next."""
    found = list(answering.windows(tokens, room, stride))
    assert found[0][0] == 0
    assert found[-1][1] == tokens
    overlap = min(stride, room // 2)
    assert all(a[1] - b[0] == overlap for a, b in itertools.pairwise(found))
    assert all(stop - start <= room for start, stop in found)


def test_answers_come_back_from_any_window(model):
    """Decoding the targets of every window gives the answer as it stands in the context, and its place."""
    context = "The keeper wound the clock. " * 6 + "Then Ida Lund came in."
    answer = Answer("Ida Lund", context.index("Ida"))
    setup = Setup(task="qa", vocabulary=Vocabulary.from_folder(model), max_seq_length=24, stride=6)
    example = Example(("Who came in?", context), (answer,), "f", None, "")
    rows = answering.encode(example, setup)
    assert len(rows) > 2
    assert any(row.target != (0, 0) for row in rows)
    outputs = []
    for row in rows:
        output = np.zeros((24, 2), np.float32)
        for side in (0, 1):
            output[row.target[side], side] = 5
        outputs.append(output)
    found = answering.decode(example, rows, outputs, setup)
    assert (found["answer"], found["start"]) == answer
    unsure = Setup(**{**vars(setup), "may_be_unanswerable": True})
    assert answering.decode(example, rows, outputs, unsure)["answer"] == "Ida Lund"
    nothing = [np.eye(24, 2, dtype=np.float32)[:, :1].repeat(2, axis=1) for _ in rows]
    assert answering.decode(example, rows, nothing, unsure)["answer"] == ""


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=20), st.integers(1, 25))
def test_the_best_span_is_the_best_of_all(scores, longest):
    """As if every start and end had been tried."""
    starts, ends = (np.array(side, np.float32) for side in zip(*scores, strict=True))
    n = len(scores)
    every = [starts[i] + ends[j] for i in range(n) for j in range(i, min(n, i + longest))]
    span = best_span(starts, ends, longest)
    assert span.score == max(every) == starts[span.start] + ends[span.end]
    assert 0 <= span.end - span.start < longest
