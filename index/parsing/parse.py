"""From the bytes of a file to a document of plain text.

The type is told by the name and checked against the bytes. Files of strangers go through
index/parsing/sandbox.py, which calls this in a process of its own.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePosixPath

from index.errors import CorpusError, FileLimitError, InvalidFileError, UnsupportedFileError
from index.parsing.document import Document
from index.parsing.parse_limits import ParseLimits
from index.parsing.parse_source import Source

Parser = Callable[[Source], Document]

_MB = 2**20

# The one list of what can be read: extensions by the module that reads them. The parser is the
# function of the module's name; modules are imported when a file needs them.
_EXTENSIONS = {
    "parse_text": ".txt .text .rst .adoc .asciidoc",
    "parse_markdown": ".md .markdown .mdx",
    "parse_html": ".html .htm .xhtml",
    "parse_pdf": ".pdf",
    "parse_docx": ".docx .docm .dotx .dotm",
    "parse_pptx": ".pptx .pptm .ppsx .ppsm .potx .potm",
    "parse_xlsx": ".xlsx .xlsm .xltx .xltm",
    "parse_xls": ".xls .xlt",
    "parse_odf": ".odt .ott .ods .ots .odp .otp",
    "parse_epub": ".epub",
    "parse_rtf": ".rtf",
    "parse_csv": ".csv .tsv",
    "parse_json": ".json .jsonc .geojson",
    "parse_jsonl": ".jsonl .ndjson",
    "parse_notebook": ".ipynb",
    "parse_eml": ".eml",
    "parse_subtitles": ".srt .vtt",
    "parse_code": (
        ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .groovy .c .h .cc .cpp .cxx "
        ".hh .hpp .cs .go .rs .rb .php .swift .m .mm .lua .pl .pm .r .jl .ex .exs .erl .hs .ml "
        ".clj .dart .sh .bash .zsh .fish .ps1 .bat .sql .proto .graphql .tf .cmake .yaml .yml "
        ".toml .ini .cfg .conf .properties .css .scss .less .vue .svelte .xml .log .tex .diff"
    ),
}
# What is no text.
_BINARY = {
    "parse_pdf", "parse_docx", "parse_pptx", "parse_xlsx", "parse_xls", "parse_odf", "parse_epub",
    "parse_rtf",
}  # fmt: skip
_BY_HTML = {"parse_html", "parse_markdown", "parse_notebook", "parse_eml"}  # its parser is in C
_MODULES = {"parse_jsonl": "parse_json"}  # where the parser's name is not its module's
_PARSERS = {suffix: name for name, suffixes in _EXTENSIONS.items() for suffix in suffixes.split()}

EXTENSIONS = frozenset(_PARSERS)


def parse(filename: str, data: bytes, limits: ParseLimits | None = None) -> Document:
    """Reads a file in this process.

    Args:
        filename: its extension tells the type.
        data: the bytes as uploaded.
        limits: what it may cost; memory and time are the sandbox's to watch.

    Returns:
        A document with at least one block.

    Raises:
        UnsupportedFileError: no parser reads this extension.
        InvalidFileError: the bytes are not what the name says, are broken, or hold no text.
        FileLimitError: reading them needs more than the limits allow.
    """
    name = base_name(filename)
    limits = limits or ParseLimits()
    check_size(name, len(data), limits)
    document = _run(parser_of(name), Source(name=name, data=data, limits=limits))
    if not document.blocks:
        raise InvalidFileError(f"{name!r} holds no text in its {len(data)} bytes")
    return document


def base_name(filename: str) -> str:
    """The last part of a path of any system."""
    return filename.replace("\\", "/").rsplit("/", 1)[-1]


def check_size(name: str, num_bytes: int, limits: ParseLimits) -> None:
    """Refuses a file by its size alone, before anyone loads it.

    Raises:
        FileLimitError: it is too large.
    """
    if num_bytes > limits.max_file_mb * _MB:
        raise FileLimitError(
            f"{name!r} has {num_bytes / _MB:.1f} MB, at most {limits.max_file_mb} MB are allowed"
        )


def parser_name(filename: str) -> str:
    """Names the parser for a file of this name.

    Raises:
        UnsupportedFileError: there is none.
    """
    name = base_name(filename)
    parser = _PARSERS.get(PurePosixPath(name.lower()).suffix)
    if parser is None:
        raise UnsupportedFileError(f"{name!r} is not one of {' '.join(sorted(EXTENSIONS))}")
    return parser


def is_binary(filename: str) -> bool:
    """Says whether a file of this name is no text.

    Raises:
        UnsupportedFileError: no parser reads it.
    """
    return parser_name(filename) in _BINARY


def is_read_in_c(filename: str) -> bool:
    """Says whether a file of this name is read by more than Python's own text handling.

    Raises:
        UnsupportedFileError: no parser reads it.
    """
    return parser_name(filename) in _BINARY | _BY_HTML


def parser_of(filename: str) -> Parser:
    """The parser for a file of this name; imports it, which can take half a second.

    Raises:
        UnsupportedFileError: there is none.
    """
    name = parser_name(filename)
    module = import_module(f"index.parsing.formats.{_MODULES.get(name, name)}")
    parser: Parser = getattr(module, name)
    return parser


def _run(parser: Parser, source: Source) -> Document:
    try:
        return parser(source)
    except CorpusError:
        raise
    except MemoryError as err:
        raise FileLimitError(
            f"{source.name!r} needs more than {source.limits.memory_mb} MB of memory to be read"
        ) from err
    except RecursionError as err:
        raise FileLimitError(f"{source.name!r} is nested too deeply to be read") from err
    except Exception as err:
        # The libraries raise whatever a broken file makes them stumble over.
        raise InvalidFileError(f"{source.name!r} is broken: {type(err).__name__}: {err}") from err
