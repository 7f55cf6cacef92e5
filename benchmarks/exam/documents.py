"""The documents of the exam, made into the files that are uploaded.

Most lie in `benchmarks/data/exam/documents` as they are. Those of binary formats lie there in a
small Markdown (benchmarks/exam/sources.py), `guide.docx.md` for `guide.docx`, where they can be
read and compared.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks.exam.office import docx, pptx, xlsx
from benchmarks.exam.pdf import pdf
from benchmarks.exam.questions import EXAM
from benchmarks.exam.sources import Source, read_source

DOCUMENTS = EXAM / "documents"
WRITERS: dict[str, Callable[[Source], bytes]] = {
    ".docx": docx,
    ".pdf": pdf,
    ".pptx": pptx,
    ".xlsx": xlsx,
}


def build(folder: Path, sources: Path = DOCUMENTS) -> list[Path]:
    """Write the documents into a folder and return the files, sorted by name.

    Args:
        folder: where to.
        sources: the folder of what they are made of; those in its sub-folders too.

    Raises:
        ValueError: If two documents have one name.
    """
    files = []
    for source in source_files(sources):
        file = folder / document_name(source)
        if file.exists():
            raise ValueError(f"{file.name!r} is the name of two documents")
        writer = WRITERS.get(file.suffix)
        text = source.read_text(encoding="utf-8")
        file.write_bytes(writer(read_source(text)) if writer else source.read_bytes())
        files.append(file)
    return sorted(files)


def source_files(sources: Path = DOCUMENTS) -> list[Path]:
    """Return what the documents of a folder and its sub-folders are made of."""
    return sorted(path for path in sources.rglob("*") if path.is_file())


def document_name(source: Path) -> str:
    """Return the name of the file that a source becomes: `guide.docx` of `guide.docx.md`."""
    return source.stem if Path(source.stem).suffix in WRITERS else source.name
