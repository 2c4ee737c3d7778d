#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Checks that no link of a page is dead.

links_test.py ROOT     the pages of a checkout: the Markdown files in ROOT and in docs, bench and examples
links_test.py --self   writes a page with each kind of dead link, and checks that each is found and no other

A link is dead if its file does not exist, if its heading does not exist (as GitHub and the site name headings), if it leaves
the repository, or if it is empty or absolute. Links to other sites are not followed.
"""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "docs"))
import pages  # noqa: E402


def pages_of(root):
    found = set(root.glob("*.md"))
    for folder in ("docs", "bench", "examples", ".github"):
        found |= set((root / folder).rglob("*.md"))
    return sorted(found)


def fault_of(target, page, root):
    """What is wrong with a link on a page, or None."""
    if not target:
        return "is empty"
    if target.startswith("/"):
        return "is absolute; write a relative link"
    if target.startswith(("http://", "https://", "mailto:")):
        return None
    path, mark, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(root):
        return "leads out of the repository"
    if not file.exists():
        return "leads to a file that does not exist"
    if mark and (file.suffix != ".md" or anchor not in pages.anchors(file.read_text())):
        return "leads to a heading that does not exist"
    return None


def dead_links(root):
    """The dead links: page and line, target, what is wrong; and how many links there are."""
    found, count = [], 0
    for page in pages_of(root):
        text = page.read_text()
        for link in pages.links(text):
            count += 1
            fault = fault_of(link["target"], page, root)
            if fault:
                line = text.count("\n", 0, link.start("target")) + 1
                found.append((f"{page.relative_to(root)}:{line}", link["target"], fault))
    return found, count


GOOD = """\
# A page of *links*, `code_here` & more
[file](other.md), [folder](sub), ![image](sub/image.svg "title"), [heading](other.md#second-heading), <a href="#html">x</a>
[here](#a-page-of-links-code_here--more) [site](https://example.org/none) [mail](mailto:a@example.org) [reference][name]
<a id="html"></a> `[code](none.md)` [![image](sub/image.svg)](other.md)

[name]: other.md

```cpp
auto none = [](int x) { return x; };  // ## No heading
```
<!-- [comment](none.md) -->
"""
DEAD = (
    ("[file](none.md)", "none.md", "a file that does not exist"),
    ("![image](sub/none.png)", "sub/none.png", "a file that does not exist"),
    ('<img src="sub/none.svg">', "sub/none.svg", "a file that does not exist"),
    ("[reference][name]\n\n[name]: nobody.md", "nobody.md", "a file that does not exist"),
    ("[heading](#none)", "#none", "a heading that does not exist"),
    ("[heading](other.md#none)", "other.md#none", "a heading that does not exist"),
    ("[heading](other.md#Second-heading)", "other.md#Second-heading", "a heading that does not exist"),
    ("[twice](other.md#twice-1)", "other.md#twice-1", "a heading that does not exist"),
    ("[code](#no-heading)\n```\n# No heading\n```", "#no-heading", "a heading that does not exist"),
    ("[image](sub/image.svg#none)", "sub/image.svg#none", "a heading that does not exist"),
    ("[empty]()", "", "is empty"),
    ("[absolute](/docs/other.md)", "/docs/other.md", "is absolute"),
    ("[outside](../../outside.md)", "../../outside.md", "out of the repository"),
    ("[![image](sub/image.svg)](none.md)", "none.md", "a file that does not exist"),
)


def check_itself():
    with tempfile.TemporaryDirectory() as folder:
        above = pathlib.Path(folder).resolve()
        (above / "outside.md").touch()
        root = above / "repository"
        (root / "docs/sub").mkdir(parents=True)
        (root / "docs/sub/image.svg").touch()
        (root / "docs/other.md").write_text("# First\n## Second heading\n## Twice\n## Twice\n")
        page = root / "docs/page.md"
        page.write_text(GOOD)
        if dead_links(root) != ([], 11):
            raise SystemExit(f"links_test.py: on a page without dead links it finds {dead_links(root)}")
        for text, target, says in DEAD:
            page.write_text(f"# Page\n\n{text}\n")
            found, _ = dead_links(root)
            if [link[1] for link in found] != [target] or says not in found[0][2]:
                raise SystemExit(f"links_test.py: for {text!r} it finds {found}")
    print(f"{len(DEAD)} kinds of dead links are found")


def main():
    if sys.argv[1:] == ["--self"]:
        check_itself()
        return
    found, count = dead_links(pathlib.Path(sys.argv[1]).resolve())
    for place, target, fault in found:
        print(f"{place}: the link '{target}' {fault}")
    if found or count < 100:
        raise SystemExit(f"{len(found)} of {count} links are dead")
    print(f"{count} links")


if __name__ == "__main__":
    main()
