"""Markdown (CommonMark with tables and footnotes): made HTML and read as such."""

import re
from collections.abc import Sequence
from functools import cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.footnote import footnote_plugin

from index.parsing.document import Document, DocumentBuilder
from index.parsing.formats.parse_html import add_html
from index.parsing.front_matter import split_front_matter
from index.parsing.parse_source import Source

# Tags that mean something in HTML. Any other is what its author wanted to be read: <your name>.
_TAGS = frozenset(
    "a abbr address article aside b bdi bdo big blockquote br button caption center cite code col "  # noqa: SIM905
    "colgroup dd del details dfn dialog div dl dt em fieldset figcaption figure font footer form "
    "h1 h2 h3 h4 h5 h6 header hr i img input ins kbd label legend li main mark math nav ol p "
    "picture "
    "pre q rp rt ruby s samp section small source span strike strong style sub summary sup svg "
    "table tbody td tfoot th thead time tr tt u ul var video wbr".split()
)
_TAG = re.compile(r"<(?=/?([A-Za-z][\w.:-]*))")
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?=[!?]).*?(?:>|\Z)|\A<(script|style|textarea)\b.*?(?:</\1>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_TOP_HEADING = re.compile(r"(?m)^(?:# +(.{1,300}?)[ #]*$|(.{1,300})\n=+ *$)")
_MODULE_LINE = re.compile(r"(?m)^(?:import\b.{0,500}\bfrom\b.{0,500}|export\b.{0,1000})$")


def parse_markdown(source: Source) -> Document:
    """Reads Markdown; markup goes, the words stay, of front matter title, date and the like."""
    builder = source.builder()
    add_markdown(builder, source.text(), has_components=source.name.lower().endswith(".mdx"))
    return builder.build()


def add_markdown(builder: DocumentBuilder, text: str, *, has_components: bool = False) -> None:
    """Adds a text in Markdown to a document; components (MDX) are elements without a meaning."""
    front = split_front_matter(text)
    heading = _TOP_HEADING.search(front.text)
    front.add_to(builder, (heading[1] or heading[2]).strip() if heading else "")
    body = _MODULE_LINE.sub("", front.text) if has_components else front.text
    add_html(builder, _parser(has_components).render(body))


@cache
def _parser(has_components: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable("table").use(footnote_plugin)
    if not has_components:
        parser.add_render_rule("html_inline", _known_tags)
        parser.add_render_rule("html_block", _known_tags)
    return parser


def _known_tags(
    renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    """HTML within Markdown, all but its own tags as they are written."""
    content = _UNSEEN.sub("", tokens[at].content)
    return _TAG.sub(lambda tag: "<" if tag[1].lower() in _TAGS else escape("<"), content)
