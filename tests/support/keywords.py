"""Render wpprep/config/keywords.py from the option classes: ``python tests/support/keywords.py`` writes it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from wpprep import config
from wpprep.config.fields import OptionSet

PATH = Path(config.__file__).parent / "keywords.py"
# The options of each public function: those of a name in several classes are one keyword.
FUNCTIONS: dict[str, tuple[type[OptionSet], ...]] = {
    "CountWords": (config.CountOptions, config.CorpusOptions, config.CountRunOptions),
    "TrainVocab": (config.VocabOptions, config.CorpusOptions, config.CountRunOptions),
    "Encode": (config.CorpusOptions, config.RunOptions),
    "MakeShards": (config.ShardOptions, config.CorpusOptions, config.RunOptions),
    "Extract": (config.ExtractOptions, config.CorpusOptions, config.RunOptions),
    "Export": (config.RunOptions,),
    "Verify": (config.EngineOptions,),
    "Plan": (config.VocabOptions, config.ShardOptions, config.CorpusOptions),
    "CompareVocabs": (config.CorpusOptions,),
    "Show": (config.ShowOptions,),
    "Train": (config.TrainOptions,),
    "Finetune": (config.FinetuneOptions, config.LabelledOptions),
    "Predict": (config.LabelledOptions,),
    "Embed": (config.EmbedOptions,),
}
HEAD = '''"""Keyword arguments of the public functions, typed for editors and type checkers (PEP 692).

Written by ``python tests/support/keywords.py`` from the option classes, which hold the defaults, the help texts
and the checks; a test compares the two. None, where it is allowed, means the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

'''


def spelled(field: dataclasses.Field[Any], hint: Any) -> str:
    """The annotation of one keyword."""
    if get_origin(hint) is tuple:
        return "Sequence[str] | str"
    kind = next(kind for kind in (*get_args(hint), hint) if kind in {int, float, str, bool})
    choices = field.metadata["choices"]
    text = f"Literal[{', '.join(map(repr, choices))}]".replace("'", '"') if choices else kind.__name__
    return f"{text} | None" if field.default is None else text


def rendered() -> str:
    """The text of the module, before formatting."""
    parts = [HEAD]
    for name, kinds in FUNCTIONS.items():
        fields: dict[str, str] = {}
        for kind in kinds:
            hints = get_type_hints(kind)
            for field in dataclasses.fields(kind):
                fields.setdefault(field.name, spelled(field, hints[field.name]))
        command = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
        lines = [f"    {field}: {text}" for field, text in fields.items()]
        of = " and ".join(f"`{kind.__name__}`" for kind in kinds)
        docstring = f'    """Options of `wpprep.{command}`: fields of {of}."""'
        parts.append(
            "\n".join(["", f"class {name}Keywords(TypedDict, total=False):", docstring, "", *lines, "", ""])
        )
    return "".join(parts)


if __name__ == "__main__":
    PATH.write_text(rendered(), encoding="utf-8")
