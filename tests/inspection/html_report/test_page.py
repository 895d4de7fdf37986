"""The report: the contents of the page, text that stays text, and equal bytes from equal folders."""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import SHARDS, Page, write_run

from wpprep.errors import MissingExtraError, MissingInputError, OptionError, OutputError
from wpprep.storage.manifest import read_manifest

pytest.importorskip("matplotlib", reason="the report draws charts")
pytest.importorskip("jinja2", reason="the report fills a template")

from wpprep.inspection.html_report.page import report


@pytest.fixture(scope="module")
def page(html: Path) -> Page:
    """The page, parsed."""
    return Page(html.read_text())


def test_the_page_loads_nothing_and_is_small(html: Path, page: Page) -> None:
    """All links are anchors, ids are unique, and every reference has its id."""
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


def test_only_the_script_of_the_page_may_run(page: Page) -> None:
    """There is one script, and the policy allows its sha256 and nothing else."""
    assert len(page.scripts) == 1
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    (policy,) = [tag["content"] for _, tag in page.tags if tag.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_text_of_the_corpus_stays_text(page: Page) -> None:
    """Tags in the corpus and in folder names are parsed as text, not as elements or attributes."""
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not [tag for tag, _ in page.tags if tag in {"img", "i"}]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    said = " ".join(" ".join(page.texts).split())
    assert SHARDS in said
    assert "< script >" in said


def test_every_chart_has_a_label_and_its_numbers(page: Page) -> None:
    """Every chart has a sentence for screen readers, and a table with a name."""
    drawings = [tag for name, tag in page.tags if name == "svg"]
    assert len(drawings) == len([tag for tag, _ in page.tags if tag == "figure"]) >= 14
    assert all(tag["role"] == "img" and len(tag["aria-label"]) > 20 for tag in drawings)
    regions = [tag for _, tag in page.tags if tag.get("role") == "region"]
    assert len(regions) >= len(drawings)
    assert all(tag["tabindex"] == "0" and tag["aria-label"] for tag in regions)


def test_facts_are_those_of_the_manifests(folders: Path, page: Page) -> None:
    """Numbers of the manifests are on the page, and the identity of the vocabulary."""
    texts = {text.strip() for text in page.texts}
    shards, vocab = read_manifest(folders / SHARDS), read_manifest(folders / "vocab")
    assert f"{shards.statistics['rows']:,}" in texts
    assert f"{vocab.statistics['entries']:,}" in texts
    assert (shards.vocabulary or "none")[:16] in texts
    assert "200 of 400" in texts
    assert any("not finished: it is at step 200 of 400" in text for text in texts)
    assert len([tag for _, tag in page.tags if "data-tokens" in tag]) == 20


def test_equal_folders_give_equal_bytes(folders: Path, html: Path, tmp_path: Path) -> None:
    """A page written again by another process, with other string hashes, is equal; it may replace a page."""
    names = [str(folders / name) for name in ("vocab", SHARDS, "run", "tokens")]
    out = tmp_path / "page.html"
    out.write_bytes(html.read_bytes().replace(b"</html>", b""))
    text = [str(folders / "corpus.txt")]
    code = f"from wpprep import report; report({names!r}, {str(out)!r}, text={text!r})"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert out.read_bytes() == html.read_bytes()


def test_a_folder_of_folders_has_a_page(folders: Path, tmp_path: Path) -> None:
    """The folders inside that can be reported on have sections; others are ignored."""
    made = report(folders, tmp_path / "all.html")
    assert [name.split()[0] for name in made.sections] == ["vocabulary", "comparison", "shards", "training"]


def test_long_instances_are_cut_short(monkeypatch: pytest.MonkeyPatch, folders: Path, tmp_path: Path) -> None:
    """The number of tokens of all instances is bounded, and the number of omitted ones is shown."""
    monkeypatch.setattr(importlib.import_module("wpprep.inspection.html_report.page"), "_MOST_TOKENS", 20 * 7)
    report(folders / SHARDS, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert text.count(" more tokens</p>") == 20  # no instance of this corpus has 7 tokens or fewer


def test_only_a_report_is_replaced(folders: Path, tmp_path: Path) -> None:
    """Another file is not changed, and a folder is refused."""
    (tmp_path / "notes.html").write_text("<p>mine</p>")
    with pytest.raises(OutputError, match=r"notes\.html: exists"):
        report(folders / "vocab", tmp_path / "notes.html")
    assert (tmp_path / "notes.html").read_text() == "<p>mine</p>"
    with pytest.raises(OutputError, match="a folder, expected the name of a file"):
        report(folders / "vocab", tmp_path)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    """A missing path, a folder of another kind, and more than twelve folders are errors."""
    with pytest.raises(MissingInputError, match="nowhere: no such folder"):
        report(tmp_path / "nowhere", tmp_path / "page.html")
    with pytest.raises(MissingInputError, match="neither a finished vocabulary, shard folder"):
        report(tmp_path, tmp_path / "page.html")
    copies = [tmp_path / f"run{i}" for i in range(13)]
    for copy in copies:
        write_run(copy, steps=10)
    with pytest.raises(OptionError, match="13 folders, expected at most 12"):
        report(copies, tmp_path / "page.html")


def test_missing_packages_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command that installs them."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for name in [name for name in sys.modules if name.startswith("wpprep.inspection.html_report")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"wpprep\[report\]"):
        import wpprep.inspection.html_report.page  # noqa: F401
