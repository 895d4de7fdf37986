"""Output files: written through links and into devices; inputs and foreign files are never replaced."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from wpprep.errors import OutputError
from wpprep.storage.output_file import output_file, refuse_output


def is_ours(head: bytes) -> bool:
    """An earlier output begins with a mark."""
    return head.startswith(b"# made by us")


def write(out: str | os.PathLike[str], text: str = "# made by us\n", overwrite: bool = False) -> None:
    """Write an output file."""
    with output_file(out, is_ours=is_ours, overwrite=overwrite) as file:
        file.write(text.encode())


def test_a_new_file_and_an_earlier_output_are_written(tmp_path: Path) -> None:
    """Nothing is asked where nothing can be lost; an empty file is nothing."""
    out = tmp_path / "out.txt"
    out.touch()
    write(out)
    write(out, "# made by us, again\n")
    assert out.read_text() == "# made by us, again\n"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_foreign_file_needs_overwrite(tmp_path: Path) -> None:
    """It keeps its contents, and the message names the way out."""
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    with pytest.raises(OutputError, match=r"notes\.txt: exists and .*--overwrite"):
        write(out)
    assert out.read_text() == "mine"
    write(out, overwrite=True)
    assert out.read_text() == "# made by us\n"


@pytest.mark.parametrize("name", ["corpus.txt", "./corpus.txt", "link.txt", "hard.txt", "folder/../corpus.txt"])
@pytest.mark.parametrize("given", ["corpus.txt", ".", "link.txt"])
def test_an_input_is_never_an_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, given: str
) -> None:
    """However both are spelled, through links, hard links and folders, also with overwrite."""
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("corpus.txt").write_text("# made by us")
    os.link("corpus.txt", "hard.txt")
    Path("link.txt").symlink_to("corpus.txt")
    with pytest.raises(OutputError, match="is an input"):
        refuse_output(name, inputs=[given], is_ours=is_ours, overwrite=True)
    assert Path("corpus.txt").read_text() == "# made by us"


def test_a_new_file_in_an_input_folder_is_allowed(tmp_path: Path) -> None:
    """Nothing that is read is lost."""
    refuse_output(tmp_path / "new.txt", inputs=[tmp_path])


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """The target gets the bytes, also where it is not there yet, and the link stays one."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to("real/target.txt")
    for _ in range(2):
        write(link)
        assert link.is_symlink()
        assert (tmp_path / "real" / "target.txt").read_text() == "# made by us\n"
    assert os.listdir(tmp_path / "real") == ["target.txt"]


def test_a_pipe_gets_the_bytes_and_stays_a_pipe(tmp_path: Path) -> None:
    """A reader at the other end sees what is written."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe)
    reader.join(20)
    assert read == ["# made by us\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_written_and_stays_one() -> None:
    """/dev/null takes everything; /dev/full refuses in one line."""
    write("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if os.path.exists("/dev/full"):
        with pytest.raises(OutputError, match=r"/dev/full: cannot be written: No space left"):
            write("/dev/full")


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """- stands for it, whatever a file of this name is."""
    write("-")
    assert capfdbinary.readouterr().out == b"# made by us\n"


@pytest.mark.parametrize(("name", "message"), [(".", "is a folder"), ("none/x.txt", "no folder")])
def test_places_where_no_file_can_be(tmp_path: Path, name: str, message: str) -> None:
    """They are refused before any work is done."""
    with pytest.raises(OutputError, match=message):
        refuse_output(tmp_path / name)


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """A file that is half written has no name, and an earlier one keeps its contents."""
    out = tmp_path / "out.txt"
    write(out)
    with pytest.raises(RuntimeError), output_file(out, is_ours=is_ours) as file:
        file.write(b"half")
        raise RuntimeError
    assert out.read_text() == "# made by us\n"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_an_output_in_a_bucket(s3: Any) -> None:
    """A URL gets the whole file; a foreign object needs overwrite."""
    from wpprep.storage.remote import read_remote, write_remote

    url = f"{s3.make_bucket()}/out.txt"
    write(url)
    assert read_remote(url) == b"# made by us\n"
    write_remote(url, b"mine")
    with pytest.raises(OutputError, match="exists"):
        write(url)
    with pytest.raises(OutputError, match="is an input"):
        refuse_output(url, inputs=["a.txt", url], overwrite=True)
    write(url, overwrite=True)
    assert read_remote(url) == b"# made by us\n"
