"""Vocabulary folders: a tokenizer on disk, readable by wpprep and by other tools.

    vocab/
      tokenizer.json          defines the tokenizer; the sha256 of its bytes is the vocabulary's identity
      vocab.txt               WordPiece, one entry per line; or
      vocab.json, merges.txt  BPE and byte-level BPE
      tokenizer_config.json   makes AutoTokenizer.from_pretrained(folder) work offline
      manifest.json           options, counts and checksums

Text never becomes a special token: the loaded tokenizer has ``encode_special_tokens`` set, which the file
cannot store. Truncation, padding and BPE dropout, which a file may store from its last use, are switched off:
they belong to one use of a model, not to the vocabulary, and must not remove tokens from a corpus or add any.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from wpprep.config import MAX_WORD_CHARACTERS, PREFIX, SPECIAL_TOKENS, SUFFIX, VocabOptions
from wpprep.errors import MissingInputError, ShardError, VocabularyError, WpprepError
from wpprep.records import TokenRoles
from wpprep.storage.files import MANIFEST, atomic_write, open_raw, sha256_of, write_text
from wpprep.storage.json_files import parse_json, read_json
from wpprep.storage.manifest import File, Shard, describe, read_manifest
from wpprep.storage.place import Place
from wpprep.tokenizer.normalization import TextRules

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
_ROLE_NAMES = {
    "pad": ("[PAD]", "<pad>"),
    "unk": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>", "<|endoftext|>"),
    "sep": ("[SEP]", "</s>", "<|endoftext|>"),
    "mask": ("[MASK]", "<mask>"),
}
VOCABULARY_FILES = (  # all files that reading a vocabulary may use
    TOKENIZER, "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"
)  # fmt: skip
_SPECIAL_NAMES_FILES = ("special_tokens_map.json", "tokenizer_config.json")
_MOST_GAPS = 1_000_000  # ids without an entry


@dataclass(frozen=True)
class LearnedVocabulary:
    """Result of training a vocabulary.

    Attributes:
        pieces: every entry in the order of ids, special tokens first.
        merges: pairs of pieces in the order in which BPE applies them; empty for WordPiece.
        special_tokens: the special tokens among the pieces, in the order of ids.
        unused: number of entries that encoding the counted words never uses (WordPiece; else 0).
        dropped_characters: number of distinct characters that were too rare to be kept.
    """

    pieces: list[str]
    merges: list[tuple[str, str]]
    special_tokens: list[str]
    unused: int
    dropped_characters: int


@dataclass(frozen=True)
class Vocabulary:
    """Vocabulary read from a folder or a file.

    Attributes:
        folder: the folder of the files read.
        sha256: its identity, the hash of the bytes of ``tokenizer.json``.
        tokenizer: the library's tokenizer, set to encode special tokens in text as text.
        pieces: every entry in the order of ids; "" for an id without an entry, as some published files have.
    """

    folder: Path
    sha256: str
    tokenizer: Tokenizer
    pieces: list[str]

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a vocabulary: tokenizer.json, vocab.txt, vocab.json with merges.txt, or a folder of these.

        Raises:
            MissingInputError: ``path`` does not exist.
            VocabularyError: it is not a vocabulary, or a damaged one.
        """
        path = Place(path).folder(*VOCABULARY_FILES)
        if not path.exists():
            raise MissingInputError(
                f"{path}: no such vocabulary; expected a folder with {TOKENIZER} or vocab.txt"
            )
        file = path if path.is_file() else _vocabulary_file(path)
        try:
            data = file.read_bytes()
            _refuse_damage(file)
            tokenizer = _read_tokenizer(file, data)
        except WpprepError:
            raise
        except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
            raise VocabularyError(f"{file}: not a readable vocabulary: {error}") from error
        except Exception as error:  # tokenizers raises bare Exception
            if type(error) is not Exception:
                raise
            raise VocabularyError(f"{file}: not a readable vocabulary: {error}") from error
        if file.name != TOKENIZER:
            data = tokenizer.to_str().encode()
        _settle(tokenizer)
        return cls(file.parent, hashlib.sha256(data).hexdigest(), tokenizer, _pieces(file, tokenizer))

    @functools.cached_property
    def ids(self) -> dict[str, int]:
        """The id of every entry."""
        return {piece: i for i, piece in enumerate(self.pieces) if piece}

    @functools.cached_property
    def roles(self) -> TokenRoles:
        """The ids that pairing, masking and loading need.

        Raises:
            VocabularyError: the vocabulary lacks a special token that BERT needs.
        """
        ids = {role: self._id_of(role, names) for role, names in _ROLE_NAMES.items()}
        special = set(ids.values()) | set(self.tokenizer.get_added_tokens_decoder())
        ordinary = [
            i
            for i, piece in enumerate(self.pieces)
            if i not in special and piece and not piece.startswith("[unused")
        ]
        return TokenRoles(
            len(self.pieces), **ids, replacements=np.array(ordinary, np.int64), starts_word=self._starts_word()
        )

    def _id_of(self, role: str, names: tuple[str, ...]) -> int:
        for name in (*self._names_given(role), *names):
            if name in self.ids:
                return self.ids[name]
        raise VocabularyError(
            f"{self.folder}: the vocabulary has no {role} token; expected an entry {' or '.join(names)}"
        )

    def _names_given(self, role: str) -> list[str]:
        """Return the names of a special token in the files that transformers writes next to a vocabulary."""
        given = [_json_beside(self.folder, name).get(f"{role}_token") for name in _SPECIAL_NAMES_FILES]
        names = [name.get("content") if isinstance(name, dict) else name for name in given]
        return [name for name in names if isinstance(name, str) and name]

    def _starts_word(self) -> npt.NDArray[np.bool_] | None:
        model = self.tokenizer.model
        if not isinstance(model, models.WordPiece):
            return None
        prefix = model.continuing_subword_prefix
        return np.array([not piece.startswith(prefix) for piece in self.pieces])


def write_vocabulary(folder: Path, learned: LearnedVocabulary, options: VocabOptions) -> list[str]:
    """Write all files of a vocabulary folder except its manifest.

    Returns:
        The names of the files.
    """
    tokenizer = _build_tokenizer(learned, options)
    texts = {TOKENIZER: tokenizer.to_str(pretty=True) + "\n"}
    if options.algorithm == "wordpiece":
        texts["vocab.txt"] = "".join(f"{piece}\n" for piece in learned.pieces)
    else:
        ids = {piece: i for i, piece in enumerate(learned.pieces)}
        lines = json.dumps(ids, ensure_ascii=False, separators=(",\n", ": "))  # an indent would cost a second
        texts["vocab.json"] = f"{{\n{lines[1:-1]}\n}}\n"
        texts["merges.txt"] = "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in learned.merges)
    texts["tokenizer_config.json"] = json.dumps(_tokenizer_config(learned, options), indent=2) + "\n"
    for name, text in texts.items():
        write_text(folder / name, text)
    return list(texts)


def copy_vocabulary(vocabulary: Vocabulary, folder: Path) -> list[str]:
    """Copy a vocabulary's files into a folder, with the same identity.

    A vocabulary read from vocab.txt alone also gets the tokenizer.json that its identity is computed from, and
    one without tokenizer_config.json, the one of `tokenizer_config`. The
    manifest is copied only if it describes exactly the files of the copy: not the manifest of a model in the
    same folder, nor one with a tokenizer.json of another identity.

    Returns:
        The names of the files.
    """
    names = ["vocab.txt", "vocab.json", "merges.txt", *_SPECIAL_NAMES_FILES]
    found = [name for name in names if (vocabulary.folder / name).is_file()]
    tokenizer = vocabulary.folder / TOKENIZER
    if tokenizer.is_file() and sha256_of(tokenizer) == vocabulary.sha256:
        found.append(TOKENIZER)
    for name in found:
        _copy(vocabulary.folder / name, folder / name)
    if TOKENIZER not in found:
        write_text(folder / TOKENIZER, vocabulary.tokenizer.to_str())
        found.append(TOKENIZER)
    if _files_of(vocabulary.folder) == [describe(folder / name, folder) for name in sorted(found)]:
        _copy(vocabulary.folder / MANIFEST, folder / MANIFEST)
        found.append(MANIFEST)
    elif TOKENIZER_CONFIG not in found and (config := tokenizer_config(vocabulary)):
        write_text(folder / TOKENIZER_CONFIG, json.dumps(config, indent=2) + "\n")
        found.append(TOKENIZER_CONFIG)
    return found


def tokenizer_config(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return a tokenizer_config.json, from which transformers takes the names of the special tokens.

    It is empty if the vocabulary lacks a special token that BERT needs.
    """
    try:
        roles = vocabulary.roles
    except VocabularyError:
        return {}
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
    }
    normalizer = vocabulary.tokenizer.normalizer
    if isinstance(normalizer, normalizers.BertNormalizer):
        config["do_lower_case"] = normalizer.lowercase
        config["strip_accents"] = normalizer.strip_accents
        config["tokenize_chinese_chars"] = normalizer.handle_chinese_chars
    return config | {f"{role}_token": vocabulary.pieces[getattr(roles, role)] for role in _ROLE_NAMES}


def _copy(source: Path, target: Path) -> None:
    with open_raw(source) as given, atomic_write(target) as file:
        file.write(given.read())


def _files_of(folder: Path) -> list[File | Shard]:
    """Return the files in the manifest of a vocabulary folder, by name; none without a valid manifest."""
    try:
        return sorted(read_manifest(folder, "vocabulary").files, key=lambda file: file.name)
    except (MissingInputError, ShardError):
        return []


def _build_tokenizer(learned: LearnedVocabulary, options: VocabOptions) -> Tokenizer:
    ids = {piece: i for i, piece in enumerate(learned.pieces)}
    rules = TextRules(options)
    model: Any
    decoder: Any
    if options.algorithm == "wordpiece":
        model = models.WordPiece(
            ids,
            unk_token="[UNK]",
            continuing_subword_prefix=PREFIX,
            max_input_chars_per_word=MAX_WORD_CHARACTERS,
        )
        decoder = decoders.WordPiece(prefix=PREFIX)
    elif options.algorithm == "bpe":
        model = models.BPE(ids, learned.merges, unk_token="[UNK]", end_of_word_suffix=SUFFIX)
        decoder = decoders.BPEDecoder(suffix=SUFFIX)
    else:
        model, decoder = models.BPE(ids, learned.merges), decoders.ByteLevel()
    tokenizer = Tokenizer(model)
    if rules.normalizer is not None:
        tokenizer.normalizer = rules.normalizer
    tokenizer.pre_tokenizer, tokenizer.decoder = rules.pre_tokenizer, decoder
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.add_special_tokens(learned.special_tokens)
    return tokenizer


def _tokenizer_config(learned: LearnedVocabulary, options: VocabOptions) -> dict[str, Any]:
    extra = [name for name in learned.special_tokens if name not in SPECIAL_TOKENS]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "do_lower_case": options.lowercase,
        "strip_accents": options.strip_accents,
        "tokenize_chinese_chars": options.cjk,
        **{f"{name[1:-1].lower()}_token": name for name in SPECIAL_TOKENS},
        **({"additional_special_tokens": extra} if extra else {}),
    }


def _vocabulary_file(folder: Path) -> Path:
    for name in (TOKENIZER, "vocab.txt", "vocab.json"):
        if (folder / name).is_file():
            return folder / name
    raise VocabularyError(
        f"{folder}: not a vocabulary folder; expected {TOKENIZER}, vocab.txt or vocab.json in it"
    )


def _refuse_damage(file: Path) -> None:
    """Raise if a file that is read here is not the one in the folder's manifest, where it has one of ours.

    Raises:
        VocabularyError: the size or the sha256 differs.
    """
    try:
        entries = {entry.name: entry for entry in read_manifest(file.parent).files}
    except (MissingInputError, ShardError):
        return  # a folder of another tool, or one that is just being written
    for name in (file.name, *_SPECIAL_NAMES_FILES):
        path, entry = file.parent / name, entries.get(name)
        if entry is not None and path.is_file() and sha256_of(path) != entry.sha256:
            raise VocabularyError(
                f"{path}: damaged or edited: its sha256 is not that in {MANIFEST}; fetch it again, or remove "
                f"{MANIFEST} if it was edited on purpose"
            )


def _read_tokenizer(file: Path, data: bytes) -> Tokenizer:
    if file.suffix == ".txt":
        return _bert_tokenizer(file, data.decode())
    content = parse_json(data, dict[str, Any], f"{file}: not a readable vocabulary", error=VocabularyError)
    if isinstance(content.get("model"), dict):
        return Tokenizer.from_str(data.decode())
    return _byte_level_tokenizer(file, content)


def _settle(tokenizer: Tokenizer) -> None:
    """Set the options that a file cannot store and reset those that it should not (module docstring)."""
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if isinstance(tokenizer.model, models.BPE) and tokenizer.model.dropout:
        tokenizer.model.dropout = None


def _bert_tokenizer(file: Path, text: str) -> Tokenizer:
    """Return the tokenizer of BERT's vocab.txt.

    It lowercases as tokenizer_config.json states, or without that file unless an entry has capitals.
    """
    lines = text.removeprefix("\ufeff").split("\n")
    while lines and not lines[-1]:
        lines.pop()
    ids = {line.rstrip("\r"): i for i, line in enumerate(lines)}
    if "[UNK]" not in ids:
        raise VocabularyError(f"{file}: not a vocabulary: expected an entry [UNK], found none")
    has_capitals = any(piece.isalpha() and piece.lower() != piece for piece in ids)
    config = _json_beside(file.parent, "tokenizer_config.json")
    tokenizer = Tokenizer(
        models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_CHARACTERS)
    )
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=bool(config.get("do_lower_case", not has_capitals)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX)
    if {"[CLS]", "[SEP]"} <= ids.keys():
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.add_special_tokens([token for token in SPECIAL_TOKENS if token in ids])
    return tokenizer


def _byte_level_tokenizer(file: Path, ids: dict[str, int]) -> Tokenizer:
    """Return the tokenizer of GPT-2's vocab.json and of the merges.txt in the same folder."""
    merges_file = file.with_name(file.name.replace("vocab.json", "merges.txt"))
    if not merges_file.is_file():
        raise MissingInputError(f"{merges_file}: no such file; {file.name} needs its merges")
    if any(piece.endswith("</w>") for piece in ids):
        raise VocabularyError(
            f"{file}: found entries that end words with </w>, expected GPT-2's byte-level pieces; "
            f"give a {TOKENIZER}, which also defines the normaliser"
        )
    lines = merges_file.read_bytes().decode().replace("\r\n", "\n").split("\n")
    pairs = (line.split(" ") for line in lines if line and not line.startswith("#version"))
    merges = [(left, right) for left, right in pairs]
    config = _json_beside(file.parent, "tokenizer_config.json")
    tokenizer = Tokenizer(models.BPE(ids, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=bool(config.get("add_prefix_space", False))
    )
    tokenizer.decoder = decoders.ByteLevel()
    if {"<s>", "</s>"} <= ids.keys():
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", ids["</s>"]), ("<s>", ids["<s>"]))
    special = {name for names in _ROLE_NAMES.values() for name in names if name in ids}
    tokenizer.add_special_tokens(sorted(special))
    return tokenizer


def _json_beside(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    return read_json(file, dict[str, Any], error=VocabularyError) if file.is_file() else {}


def _pieces(file: Path, tokenizer: Tokenizer) -> list[str]:
    """Return every entry in the order of ids; "" for an id without one (or with an entry repeated later)."""
    by_id = {i: piece for piece, i in tokenizer.get_vocab(with_added_tokens=True).items()}
    if max(by_id) >= len(by_id) + _MOST_GAPS:
        raise VocabularyError(
            f"{file}: ids up to {max(by_id):,} for {len(by_id):,} entries; expected ids without large gaps"
        )
    return [by_id.get(i, "") for i in range(max(by_id) + 1)]
