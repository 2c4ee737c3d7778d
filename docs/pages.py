# SPDX-License-Identifier: BSL-1.0
"""The links and headings of a Markdown page, for the site (docs/hooks.py) and for the test of links."""
import re

FENCED = re.compile(r"^( *)(```+|~~~+)[^\n]*\n(?:.*?\n)?\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# [text](target "title"), ![text](target), [name]: target, <a href="target">, <img src="target">
LINK = re.compile(r'(?:\]\(\s*<?|^\[[^\]\n]+\]:\s*<?|<(?:a|img)\b[^>]*?\b(?:href|src)=")(?P<target>[^)\s>"]*)', re.MULTILINE)
HEADING = re.compile(r"^#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$", re.MULTILINE)
ANCHOR = re.compile(r'<\w+\b[^>]*?\b(?:id|name)="([^"]*)"')


def without_code(text):
    """The text with blanks in place of code and comments, so that places stay the same."""
    for code in (FENCED, COMMENT, INLINE):
        text = code.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    return text


def links(text):
    """The targets of the links and images of a page: matches with a group `target`."""
    return list(LINK.finditer(without_code(text)))


def slug(title, _separator="-"):
    """The anchor that GitHub gives a heading, which is the plain text `title`; the site gives the same."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def anchors(text):
    """The anchors of a page. If headings are equal, GitHub and the site number the second in different ways: it has none."""
    shown = FENCED.sub("", text)
    titles = [re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").replace("*", "").replace("\\", "")
              for title in HEADING.findall(shown)]
    return {slug(title) for title in titles} | set(ANCHOR.findall(shown))
