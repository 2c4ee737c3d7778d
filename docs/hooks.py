# SPDX-License-Identifier: BSL-1.0
"""What MkDocs does differently for this project (mkdocs.yml):

- The pages of ROOT_PAGES lie outside docs/ and are pages of the site all the same.
- The navigation may name pages that do not exist, which are left out, and patterns, which stand for the pages that no other
  entry names.
- Links to files outside the site become links to the repository.
- Headings have the anchors that GitHub gives them.
"""
import fnmatch
import functools
import pathlib
import posixpath
import sys

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))
import pages  # noqa: E402

ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "SECURITY.md": "security.md",
    "bench/README.md": "benchmarks.md",
}


@functools.cache
def existing():
    """The site's pages: path in the site, and path in the repository."""
    found = {path.relative_to(ROOT / "docs").as_posix(): path.relative_to(ROOT).as_posix()
             for path in (ROOT / "docs").rglob("*.md")}
    found.update({page: source for source, page in ROOT_PAGES.items() if (ROOT / source).exists()})
    return found


def expand(entries, all_pages, named):
    """A part of the navigation with its patterns replaced by pages."""
    result = []
    for entry in entries:
        if isinstance(entry, dict):
            (title, part), = entry.items()
            inner = expand(part if isinstance(part, list) else [part], all_pages, named)
            if inner:
                result.append({title: inner[0] if isinstance(part, str) and part in all_pages else inner})
        elif "*" in entry:
            fit = [page for page in all_pages if fnmatch.fnmatchcase(page, entry) and page.count("/") == entry.count("/")
                   and page not in named]
            result += sorted(fit, key=lambda page: (not page.endswith("README.md"), page.lower()))
        elif entry in all_pages:
            result.append(entry)
    return result


def names_in(entries):
    for entry in entries:
        if isinstance(entry, dict):
            for part in entry.values():
                yield from names_in(part if isinstance(part, list) else [part])
        else:
            yield entry


def on_config(config):
    existing.cache_clear()
    config.nav = expand(config.nav, existing(), set(names_in(config.nav)))
    config.mdx_configs.setdefault("toc", {})["slugify"] = pages.slug
    return config


def on_files(files, config):
    for source, page in ROOT_PAGES.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def site_target(target, source, page, config):
    """The target of a link on a page of the site, from its target in the repository."""
    if ":" in target or target.startswith(("#", "//")):
        return target
    path, mark, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    to = {source: page for page, source in existing().items()}.get(path)
    if to is None and path.startswith("docs/") and (ROOT / path).is_file():
        to = path.removeprefix("docs/")
    if to is not None:
        return posixpath.relpath(to, posixpath.dirname(page) or ".") + mark + anchor
    if not (ROOT / path).exists():
        return target  # MkDocs warns of it
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{config.repo_url.rstrip('/')}/{kind}/main/{path}{mark}{anchor}"


def on_page_markdown(markdown, page, config, **_):
    source = existing()[page.file.src_uri]
    out, at = "", 0
    for link in pages.links(markdown):
        out += markdown[at:link.start("target")] + site_target(link["target"], source, page.file.src_uri, config)
        at = link.end("target")
    markdown = out + markdown[at:]
    # Python-Markdown does not know the escape \<.
    shown = pages.without_code(markdown)
    for place in reversed([i for i in range(len(shown)) if shown.startswith("\\<", i)]):
        markdown = markdown[:place] + "&lt;" + markdown[place + 2:]
    return markdown
