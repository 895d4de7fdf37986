"""Vocabularies of other tools: what is read, and the errors for files that are not vocabularies."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from wpprep.errors import MissingInputError, VocabularyError
from wpprep.storage.manifest import Manifest, describe, find_damage, write_manifest
from wpprep.tokenizer.vocabulary import Vocabulary, copy_vocabulary

BERT = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##s"]


def vocab_txt(folder: Path, entries: list[str], *, end: str = "\n") -> Path:
    """Write a vocab.txt of these entries and return its path."""
    path = folder / "vocab.txt"
    path.write_bytes("".join(entry + end for entry in entries).encode())
    return path


def normalizer_of(vocabulary: Vocabulary) -> normalizers.BertNormalizer:
    """Return the vocabulary's normaliser, which must be a BertNormalizer."""
    normalizer = vocabulary.tokenizer.normalizer
    assert isinstance(normalizer, normalizers.BertNormalizer)
    return normalizer


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_vocab_txt_is_read_line_by_line(tmp_path: Path, end: str) -> None:
    """Entries are lines with either line ending, with or without a byte order mark; ids are line numbers."""
    vocab_txt(tmp_path, ["\ufeff[PAD]", *BERT[1:], "a\u2028b", "c\x85"], end=end)
    vocabulary = Vocabulary.from_folder(tmp_path)
    assert vocabulary.pieces == [*BERT, "a\u2028b", "c\x85"]
    assert vocabulary.ids["the"] == 6
    assert Vocabulary.from_folder(tmp_path / "vocab.txt").sha256 == vocabulary.sha256


def test_roles_leave_out_special_and_unused_entries(tmp_path: Path) -> None:
    """Random replacements are ordinary pieces; a piece with ## starts no word."""
    roles = Vocabulary.from_folder(vocab_txt(tmp_path, BERT)).roles
    assert (roles.pad, roles.unk, roles.cls, roles.sep, roles.mask) == (0, 2, 3, 4, 5)
    assert roles.replacements.tolist() == [6, 7]
    assert roles.starts_word is not None
    assert roles.starts_word.tolist() == [True] * 7 + [False]


def test_a_repeated_entry_leaves_a_hole(tmp_path: Path) -> None:
    """The last of equal lines has the id, as in BERT; the other id has no entry and is never a replacement."""
    vocabulary = Vocabulary.from_folder(vocab_txt(tmp_path, [*BERT, "the", "", "end"]))
    assert vocabulary.pieces == [*BERT[:6], "", "##s", "the", "", "end"]
    assert vocabulary.ids["the"] == 8
    assert vocabulary.roles.replacements.tolist() == [7, 8, 10]


@pytest.mark.parametrize(
    ("entries", "config", "lowercase"),
    [
        (["the"], None, True),
        (["The"], None, False),
        (["\u211d"], None, True),  # a capital that has no small letter
        (["the"], {"do_lower_case": False}, False),
        (["The"], {"do_lower_case": True}, True),
    ],
)
def test_case_follows_the_config_or_the_entries(
    tmp_path: Path, entries: list[str], config: dict[str, bool] | None, lowercase: bool
) -> None:
    """A vocabulary with capitals is cased, unless tokenizer_config.json states otherwise."""
    vocab_txt(tmp_path, [*BERT, *entries])
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert normalizer_of(Vocabulary.from_folder(tmp_path)).lowercase is lowercase


def byte_level(folder: Path, extra: list[str], merges: str) -> Path:
    """Write vocab.json and merges.txt with one merge and these extra entries, and return the folder."""
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "ll", *extra]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_bytes(merges.encode())
    return folder


def test_a_piece_called_model_is_a_piece(tmp_path: Path) -> None:
    """GPT-2's vocab.json has an entry "model", but is not read as a tokenizer.json."""
    vocabulary = Vocabulary.from_folder(byte_level(tmp_path, ["model"], "#version: 0.2\r\nl l\r\n"))
    assert vocabulary.ids["model"] == 257
    assert vocabulary.tokenizer.encode("llm").tokens == ["ll", "m"]


def test_roberta_s_files_get_its_special_tokens(tmp_path: Path) -> None:
    """<s> and </s> are added around a text, and are text inside it."""
    vocabulary = Vocabulary.from_folder(
        byte_level(tmp_path, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"], "l l\n")
    )
    assert vocabulary.tokenizer.encode("<s>").tokens == ["<s>", "<", "s", ">", "</s>"]
    roles = vocabulary.roles
    assert [vocabulary.pieces[i] for i in roles[1:6]] == ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    assert roles.starts_word is None


def test_a_prefix_space_in_the_config_is_used(tmp_path: Path) -> None:
    """GPT-2's files do not define whether a space is added before a text; tokenizer_config.json does."""
    byte_level(tmp_path, [], "l l\n")
    assert Vocabulary.from_folder(tmp_path).tokenizer.encode("ll").tokens == ["ll"]
    (tmp_path / "tokenizer_config.json").write_text('{"add_prefix_space": true}')
    assert Vocabulary.from_folder(tmp_path).tokenizer.encode("ll").tokens == ["Ġ", "ll"]


def test_special_tokens_have_the_names_that_the_files_give(tmp_path: Path) -> None:
    """special_tokens_map.json and tokenizer_config.json can define other names of special tokens."""
    names = {"pad": "<nil>", "unk": "<what>", "cls": "<a>", "sep": "<b>", "mask": "<hole>"}
    pieces = [*names.values(), "the"]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token=names["unk"]))
    tokenizer.add_special_tokens(list(names.values()))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(VocabularyError, match=r"has no pad token; expected an entry \[PAD\] or <pad>"):
        _ = Vocabulary.from_folder(tmp_path).roles
    given = {f"{role}_token": name if role != "cls" else {"content": name} for role, name in names.items()}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(given))
    roles = Vocabulary.from_folder(tmp_path).roles
    assert roles[:6] == (6, 0, 1, 2, 3, 4)
    assert roles.replacements.tolist() == [5]


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({}, VocabularyError, "not a vocabulary folder; expected tokenizer.json, vocab.txt or vocab.json"),
        ({"vocab.txt": "a\nb\n"}, VocabularyError, r"vocab.txt: not a vocabulary: expected an entry \[UNK\]"),
        ({"vocab.txt": "[UNK]\n\udcff"}, VocabularyError, "vocab.txt: not a readable vocabulary"),
        ({"vocab.json": "{}"}, MissingInputError, "merges.txt: no such file; vocab.json needs its merges"),
        ({"vocab.json": '{"a</w>": 0}', "merges.txt": ""}, VocabularyError, "end words with </w>"),
        (
            {"vocab.json": '{"a": 0}', "merges.txt": "a\n"},
            VocabularyError,
            "vocab.json: not a readable vocabulary",
        ),
        ({"tokenizer.json": "{"}, VocabularyError, "tokenizer.json: not a readable vocabulary"),
        ({"tokenizer.json": '{"model": {}}'}, VocabularyError, "tokenizer.json: not a readable vocabulary"),
    ],
)
def test_files_that_are_not_vocabularies_raise(
    tmp_path: Path, files: dict[str, str], error: type[Exception], message: str
) -> None:
    """Missing, damaged and foreign files raise an error that names the file and the reason."""
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(error, match=message):
        Vocabulary.from_folder(tmp_path)


def test_a_path_that_does_not_exist_raises(tmp_path: Path) -> None:
    """A path that does not exist raises MissingInputError."""
    with pytest.raises(MissingInputError, match="no such vocabulary"):
        Vocabulary.from_folder(tmp_path / "nowhere")


def finished(folder: Path, kind: str = "vocabulary") -> Path:
    """Write a manifest of all files in the folder and return the folder."""
    files = [describe(path, folder) for path in sorted(folder.iterdir())]
    write_manifest(folder, Manifest(kind=kind, options={}, files=list(files)))
    return folder


@pytest.mark.parametrize("read", [".", "tokenizer.json", "vocab.txt"])
def test_a_copy_is_the_same_vocabulary(tmp_path: Path, read: str) -> None:
    """A copy of a folder or of one of its files has its identity and roles, and only files that are valid.

    The vocabulary of vocab.txt alone has another identity than the tokenizer.json, which is then not copied.
    """
    source, copy = tmp_path / "source", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    tokenizer = Vocabulary.from_folder(vocab_txt(source, [*BERT, "<gap>"])).tokenizer
    (source / "tokenizer.json").write_text(tokenizer.to_str(pretty=True))
    (source / "special_tokens_map.json").write_text(json.dumps({"mask_token": {"content": "<gap>"}}))
    finished(source)
    vocabulary = Vocabulary.from_folder(source / read)
    names = copy_vocabulary(vocabulary, copy)
    again = Vocabulary.from_folder(copy)
    assert again.sha256 == vocabulary.sha256
    assert again.roles.mask == vocabulary.roles.mask == 8
    assert sorted(names) == sorted(path.name for path in copy.iterdir())
    assert {"special_tokens_map.json", "vocab.txt", "tokenizer.json"} <= set(names)
    assert ("manifest.json" in names) == (read != "vocab.txt")
    if read != "vocab.txt":
        assert find_damage(copy) == []


def test_a_copy_leaves_what_is_not_the_vocabularys(tmp_path: Path) -> None:
    """From a model's folder only the vocabulary is copied, not the manifest with the weights."""
    source, copy = tmp_path / "model", tmp_path / "copy"
    source.mkdir()
    copy.mkdir()
    vocab_txt(source, BERT)
    (source / "model.safetensors").write_bytes(b"weights")
    copy_vocabulary(Vocabulary.from_folder(finished(source, "model")), copy)
    assert {path.name for path in copy.iterdir()} == {"vocab.txt", "tokenizer.json", "tokenizer_config.json"}
    (source / "model.safetensors").unlink()
    finished_as_vocabulary = finished(source)
    (source / "tokenizer_config.json").write_text("{}")  # not in that manifest
    copy_vocabulary(Vocabulary.from_folder(finished_as_vocabulary), copy)
    assert not (copy / "manifest.json").exists()


def test_a_copy_names_the_special_tokens(tmp_path: Path) -> None:
    """A copy of a plain vocab.txt has a tokenizer_config.json with the names that transformers needs."""
    copy = tmp_path / "copy"
    copy.mkdir()
    copy_vocabulary(Vocabulary.from_folder(vocab_txt(tmp_path, BERT)), copy)
    config = json.loads((copy / "tokenizer_config.json").read_text())
    names = {name: config[f"{name}_token"] for name in ("pad", "unk", "cls", "sep", "mask")}
    assert names == {name: f"[{name.upper()}]" for name in names}
    assert (config["do_lower_case"], config["tokenize_chinese_chars"]) == (True, True)
    assert Vocabulary.from_folder(copy / "vocab.txt").sha256 == Vocabulary.from_folder(copy).sha256


def test_a_huge_id_does_not_take_all_memory(tmp_path: Path) -> None:
    """One flipped bit in an id would make a list of two thousand million entries."""
    model: dict[str, Any] = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"}
    model |= {"max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "b": 2**31 - 1}}
    tokenizer = {"version": "1.0", "added_tokens": [], "model": model}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(VocabularyError, match=r"ids up to 2,147,483,647 for 3 entries; expected ids without"):
        Vocabulary.from_folder(tmp_path)


@pytest.mark.parametrize("text", ["[]", "5", "null", '"x"', "[" * 100_000, '{"model": 5}', '{"model": []}'])
def test_json_of_another_type_is_one_line(tmp_path: Path, text: str) -> None:
    """Whatever a tokenizer.json holds, the message names it."""
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises((VocabularyError, MissingInputError), match=re.escape(str(tmp_path))):
        Vocabulary.from_folder(tmp_path)


@pytest.mark.parametrize(
    "text", ["5", "null", '"x"', "[]", '{"do_lower_case": [], "unk_token": 5, "cls_token": {"a": 1}}']
)
def test_a_config_of_another_type_is_one_line_or_unused(vocab: Path, tmp_path: Path, text: str) -> None:
    """tokenizer_config.json names special tokens; other values in their place are not used."""
    for name in ("tokenizer.json", "vocab.txt"):
        (tmp_path / name).write_bytes((vocab / name).read_bytes())
    (tmp_path / "tokenizer_config.json").write_text(text)
    try:
        assert Vocabulary.from_folder(tmp_path).roles.cls == 2
    except VocabularyError as error:
        assert "tokenizer_config.json" in str(error)  # noqa: PT017 (either is right)


def test_a_damaged_vocabulary_is_not_used(vocab: Path, tmp_path: Path) -> None:
    """A flipped bit is seen by the checksum in the manifest; without a manifest the file is what it is."""
    folder = tmp_path / "vocab"
    shutil.copytree(vocab, folder)
    path = folder / "tokenizer.json"
    path.write_bytes(path.read_bytes().replace(b'"the"', b'"tqe"', 1))
    with pytest.raises(VocabularyError, match=r"tokenizer\.json: damaged or edited"):
        Vocabulary.from_folder(folder)
    (folder / "manifest.json").unlink()
    assert "tqe" in Vocabulary.from_folder(folder).ids
