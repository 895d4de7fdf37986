"""The report: what is on the page, that text stays text, and that equal folders give equal bytes."""

import base64
import hashlib
import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
from support.pages import SHARDS, Page, write_run

from wpprep.errors import MissingExtraError, MissingInputError, OptionError, OutputError, TrainingError
from wpprep.pipeline.make_shards import make_shards
from wpprep.storage.manifest import read_manifest

pytest.importorskip("matplotlib", reason="the report draws charts")
pytest.importorskip("jinja2", reason="the report fills a template")

from wpprep.inspection.html_report import parts
from wpprep.inspection.html_report.page import report
from wpprep.inspection.html_report.vocabulary import script_of


@pytest.fixture(scope="module")
def page(html):
    """The page, parsed."""
    return Page(html.read_text())


def test_the_page_stands_alone_and_is_small(html, page):
    """Nothing is loaded: no address but anchors; ids are unique, and every reference has its id."""
    text = html.read_text()
    assert len(text.encode()) < 3_000_000
    ids = page.all("id")
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in page.all("href") if link.startswith("#")} <= set(ids)
    assert {link[0] for link in page.all("href") if link != "data:,"} == {"#"}
    assert page.all("src") == []
    assert {name for names in page.all("aria-labelledby") for name in names.split()} <= set(ids)
    assert "url(http" not in text
    assert "@import" not in text


def test_only_the_own_script_may_run(page):
    """There is one script, and the policy names its sha256 and lets nothing else run or be loaded."""
    assert len(page.scripts) == 1
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    (policy,) = [tag["content"] for _, tag in page.tags if tag.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_text_of_the_corpus_stays_text(page):
    """Tags of the corpus and of folder names are read as text; nothing of them became an element or a value."""
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, _ in page.tags if tag in {"img", "i"}]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    said = " ".join(" ".join(page.texts).split())
    assert SHARDS in said
    assert "< script >" in said


def test_every_chart_has_a_label_and_its_numbers(page):
    """A sentence for those who do not see it, and a table of the same name."""
    drawings = [tag for name, tag in page.tags if name == "svg"]
    assert len(drawings) == len([tag for tag, _ in page.tags if tag == "figure"]) >= 14
    assert all(tag["role"] == "img" and len(tag["aria-label"]) > 20 for tag in drawings)
    regions = [tag for _, tag in page.tags if tag.get("role") == "region"]
    assert len(regions) >= len(drawings)
    assert all(tag["tabindex"] == "0" and tag["aria-label"] for tag in regions)


def test_facts_are_those_of_the_manifests(folders, page):
    """Numbers that the manifests have stand on the page, and the identity of the vocabulary with them."""
    texts = {text.strip() for text in page.texts}
    shards, vocab = read_manifest(folders / SHARDS), read_manifest(folders / "vocab")
    assert f"{shards.statistics['rows']:,}" in texts
    assert f"{vocab.statistics['entries']:,}" in texts
    assert shards.vocabulary[:16] in texts
    assert "200 of 400" in texts
    assert any("not finished: it is at step 200 of 400" in text for text in texts)
    assert len([tag for _, tag in page.tags if "data-tokens" in tag]) == 20


def test_documents_have_names_and_sources_where_the_token_store_knows_them(page):
    """The store names the file and its documents; the tokens of the file are those of the store."""
    texts = [text.strip() for text in page.texts]
    assert "corpus.txt" in texts
    assert any(text.startswith("corpus.txt:") for text in texts)


def test_equal_folders_give_equal_bytes(folders, html, tmp_path):
    """Written once more, by another process with other hashes, the page is the same; a page may be replaced."""
    names = [str(folders / name) for name in ("vocab", SHARDS, "run", "tokens")]
    out = tmp_path / "page.html"
    out.write_bytes(html.read_bytes().replace(b"</html>", b""))
    text = [str(folders / "corpus.txt")]
    code = f"from wpprep import report; report({names!r}, {str(out)!r}, text={text!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert out.read_bytes() == html.read_bytes()


def test_a_folder_of_folders_is_told_of_as_a_whole(folders, tmp_path):
    """What can be told of in it is; what cannot is passed over."""
    made = report(folders, tmp_path / "all.html")
    assert [name.split()[0] for name in made.sections] == ["vocabulary", "comparison", "shards", "training"]


def test_runs_are_compared_and_long_logs_thinned(folders, tmp_path):
    """Of 40,000 lines the page draws 400 points a curve: it stays small. Two runs have a chart together."""
    write_run(tmp_path / "long", steps=40_000, every=1)
    made = report([folders / "run", tmp_path / "long"], tmp_path / "runs.html")
    assert made.sections[-1] == "comparison Training runs"
    assert made.bytes < 400_000


def test_a_line_being_written_is_no_error_and_a_bad_one_is(tmp_path):
    """A run at work may have written half of its last line; in the middle of the log its number is named."""
    write_run(tmp_path / "run", steps=20)
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(log.read_text() + '{"kind": "tra')
    assert report(tmp_path / "run", tmp_path / "page.html").bytes > 10_000
    log.write_text('{"kind": "train", "step": 1}\n{"kind": \n{"kind": "train", "step": 2}\n')
    with pytest.raises(TrainingError, match=r"metrics\.jsonl:2: not a line of a training log"):
        report(tmp_path / "run", tmp_path / "page.html")


def test_a_damaged_run_is_one_line(tmp_path):
    """Options that are no JSON are named by their file; losses that are no number are not drawn."""
    write_run(tmp_path / "run", steps=20)
    (tmp_path / "run" / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "mlm_loss": NaN}\n')
    assert "Loss of masked tokens" not in report(tmp_path / "run", tmp_path / "page.html").path.read_text()
    (tmp_path / "run" / "training.json").write_text('{"run": ')
    with pytest.raises(TrainingError, match=r"training\.json: damaged"):
        report(tmp_path / "run", tmp_path / "page.html")


def test_a_bin_without_instances_has_a_page(folders, tmp_path):
    """Of a bin that no instance fits there is nothing to draw, and it is said."""
    options = {"max_seq_length": 64, "dupe_factor": 1, "workers": 1, "format": "lines", "bins": "8,64"}
    make_shards([folders / "corpus.txt"], folders / "vocab", tmp_path / "out", short_seq_prob=0.0, **options)
    assert read_manifest(tmp_path / "out" / "bin-8").statistics["rows"] == 0
    text = report(tmp_path / "out" / "bin-8", tmp_path / "page.html").path.read_text()
    assert "This folder has no instances." in text


@pytest.mark.parametrize(
    "options",
    [
        {"masking": "dynamic"},
        {"layout": "dense"},
        {"objective": "single"},
        {"objective": "sop"},
        {"bins": "32,64"},
    ],
    ids=str,
)
def test_other_shards_have_a_page_too(options, folders, tmp_path):
    """Whatever a kind of shards does not have is left out, and said where it would be missed."""
    shared = {"max_seq_length": 64, "dupe_factor": 1, "workers": 1, "format": "lines"}
    make_shards([folders / "corpus.txt"], folders / "vocab", tmp_path / "out", **(shared | options))
    text = report(tmp_path / "out", tmp_path / "page.html").path.read_text()
    assert ("Masks by position" in text) == (options.get("masking") != "dynamic")
    assert ("Masking is dynamic: the loader draws masks" in text) == (options.get("masking") == "dynamic")
    assert ("Instances per document" in text) == (options.get("layout") != "dense")
    assert ("Labels by length" in text) == (options.get("objective") != "single")
    assert ("A and B are swapped" in text) == (options.get("objective") == "sop")


def test_long_instances_are_cut_short(monkeypatch, folders, tmp_path):
    """The tokens of all instances together are bounded; how many are left out is said."""
    monkeypatch.setattr(importlib.import_module("wpprep.inspection.html_report.page"), "_MOST_TOKENS", 20 * 7)
    text = report(folders / SHARDS, tmp_path / "page.html").path.read_text()
    assert text.count(" more tokens</p>") == 20  # no instance of this corpus has 7 tokens or fewer


def test_what_is_no_report_is_not_written_over(folders, tmp_path):
    """Another file stays as it is, a folder is refused."""
    (tmp_path / "notes.html").write_text("<p>mine</p>")
    with pytest.raises(OutputError, match=r"notes\.html: exists"):
        report(folders / "vocab", tmp_path / "notes.html")
    assert (tmp_path / "notes.html").read_text() == "<p>mine</p>"
    with pytest.raises(OutputError, match="a folder; expected the name of an HTML file"):
        report(folders / "vocab", tmp_path)


def test_what_cannot_be_told_of_is_refused(folders, tmp_path):
    """A path that is not there, one that is none of the kinds, and too many."""
    with pytest.raises(MissingInputError, match="nowhere: no such folder"):
        report(tmp_path / "nowhere", tmp_path / "page.html")
    with pytest.raises(MissingInputError, match="neither a finished vocabulary, shard folder"):
        report(tmp_path, tmp_path / "page.html")
    copies = [tmp_path / f"run{i}" for i in range(13)]
    for copy in copies:
        write_run(copy, steps=10)
    with pytest.raises(OptionError, match="13 folders, expected at most 12"):
        report(copies, tmp_path / "page.html")


def test_without_the_packages_there_is_one_clear_line(monkeypatch):
    """It says how to install them."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for name in [name for name in sys.modules if name.startswith("wpprep.inspection.html_report")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"wpprep\[report\]"):
        import wpprep.inspection.html_report.page  # noqa: F401


def test_histograms_lose_no_count():
    """70 counts in bars of ceil(70 / 32) = 3 make 24 bars; their table adds up to the same number."""
    counts = np.arange(70)
    chart = parts.histogram("Lengths", "as said", {"rows": counts}, first=1, x="tokens", y="rows")
    assert [row[0] for row in chart.table.rows][:2] == ["1-3", "4-6"]
    assert chart.table.rows[-1][0] == "70"
    assert len(chart.table.rows) == 24
    assert sum(int(row[1].replace(",", "")) for row in chart.table.rows) == counts.sum()


def test_scripts_are_told_by_their_first_letter():
    """Marks and digits have no script; a letter of a script that is not listed is another."""
    pieces = {
        "lamp": "Latin",
        "42": "digits",
        "…": "marks",
        "등대": "Hangul",
        "燈": "CJK",
        "ᚠ": "other",
        "'s": "Latin",
    }
    assert {piece: script_of(piece) for piece in pieces} == pieces
