#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Writes the API reference, docs/reference, from the comments in the headers.

docs/reference.py           writes the pages
docs/reference.py --check   writes nothing, and fails if a page is not what the headers say

Each layer, activation, loss, optimizer and schedule has a page. Its text is the comment over its struct: a description, and
then fields, each of which begins a line:

    // A fully connected layer with a bias.
    // Formula: y = x kernel + bias
    // Example:
    //   using Net = Sequential<Input<28, 28, 1>, Flatten, Dense<10>>;

A field in the first comment of a header holds for every item of the header that has none of its own, and so does a sentence
there that begins with "In the formulas". The options of a loss, an optimizer or a schedule are its members, with the comment
behind each. Fails, with the name of the item, if a field is missing or empty, if an error has no page in docs/errors, if a
member has no comment, and if a page has no item.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The fields of each kind; those in brackets may be missing.
FIELDS = {
    "layers": "Formula Shapes [Trained] Options Errors Example Keras PyTorch [Source]",
    "activations": "Formula Shapes [Trained] Options Errors Example Keras PyTorch [Source]",
    "losses": "Formula Shapes Errors Example Keras PyTorch [Source]",
    "optimizers": "Formula State Errors Example Keras PyTorch [Source]",
    "schedules": "Formula Errors Example Keras PyTorch [Source]",
}
# A struct of these rooms that is neither an item nor here is a mistake: it lacks the member that shows its kind.
NOT_ITEMS = {"Activation", "Keep", "LossRow", "ParameterGroup", "ParameterSlice", "RunContext", "Schedule", "SchedulePoint",
             "SlotsOf", "UpdateStep"}

FIELD = re.compile(r"(Formula|Shapes|State|Trained|Options|Errors|Example|Keras|PyTorch|Source):(?: |$)(.*)")
STRUCT = re.compile(r"((?:^//.*\n)*)((?:^template <.*>\n)?)^(?:struct|class) (\w+)((?: final)?(?: : [^{;]*)?) \{"
                    r"(|(?:.*\n)*?)\};", re.MULTILINE)
USING = re.compile(r"((?:^//.*\n)*)^using (\w+) = (?:detail::)?(\w+)<(.*)>;", re.MULTILINE)
MEMBER = re.compile(r"^  ([\w:<>]+(?: [\w:<>]+)*) (\w+)(?:\[.*\])?(?: = (.*?)|\{\})?;(?: +// (.*))?$", re.MULTILINE)
NAMESPACE = re.compile(r"^(?:namespace (.*?) ?\{|\}  // namespace)", re.MULTILINE)

EXAMPLES = """\
using Network = Sequential<Input<8, 8, 1>, Conv<3, 8>, ReLU, Flatten, Dense<2>>;
Model<Network> model{{.batch = 32}};
const ArrayDataset<Shape{8, 8, 1}, 2> data(std::vector<float>(64 * 8 * 8), std::vector<int>(64));  // 64 images, 2 classes
"""


class Fault(Exception):
    """What is wrong, beginning with the header and the item."""


class Item:
    """A layer, loss, optimizer or schedule, or an option of layers."""

    def __init__(self, header, kind, name, declared, signature, body, comment):
        self.header, self.kind, self.name, self.names = header, kind, name, [declared]
        self.signature, self.body = signature, body
        self.fields = fields_of(comment)
        self.members = []
        self.terms = ""  # the words of its formula

    def fault(self, text):
        return Fault(f"{self.header}: {self.names[0]} {text}")

    @property
    def path(self):
        return f"{self.kind}/{self.name}.md"


def fields_of(comment):
    """The description under "", and the fields. An empty comment line ends them."""
    fields, current = {"": []}, ""
    for line in comment.splitlines():
        text = line[2:]
        if not text.strip():
            break
        found = FIELD.match(text[1:])
        if found:
            current = found[1]
            fields[current] = [found[2]] if found[2] else []
        elif not text.startswith(" SPDX"):
            fields[current].append(text)
    for name, lines in fields.items():
        if name in ("Formula", "Example"):  # their lines stay lines
            first, rest = lines[:1], lines[1:]
            if first and first[0].startswith(" "):
                first, rest = [], lines
            indent = min((len(line) - len(line.lstrip()) for line in rest), default=0)
            fields[name] = "\n".join(first + [line[indent:] for line in rest])
        else:
            fields[name] = " ".join(line.strip() for line in lines)
    return fields


def in_detail(text, place):
    """Whether a place of a header is inside namespace detail."""
    open_names = []
    for found in NAMESPACE.finditer(text, 0, place):
        if found[1] is None:
            open_names.pop()
        else:
            open_names.append(found[1])
    return any("detail" in name for name in open_names)


def kind_of(header, body):
    """The kind of item that a struct with this body is, and the name that it gives itself."""
    if header.parent.name == "layers":
        name = re.search(r'static constexpr const char\* name = "(\w+)"', body)
        return ("activations" if header.stem in ("activations", "prelu") else "layers", name[1]) if name else (None, None)
    for kind, mark in (("losses", "static constexpr Takes takes"), ("optimizers", "int slot_count()"),
                       ("schedules", "double operator()(std::int64_t")):
        if mark in body and (kind == "losses") == (header.parent.name == "losses"):
            return kind, None
    return None, None


def items_of(header, text):
    """The items of a header."""
    items, hidden = {}, {}
    shown = header.relative_to(header.parents[3])
    for found in STRUCT.finditer(text):
        comment, template, declared, bases, body = found.groups()
        kind, name = kind_of(header, body)
        if in_detail(text, found.start()):
            hidden[declared] = body
            continue
        if declared in NOT_ITEMS:
            continue
        base = re.match(r" : (\w+Of)<>$", bases)
        if base and base[1] in items:
            items[base[1]].names.insert(0, declared)
        elif kind:
            items[declared] = Item(shown, kind, name or declared, declared, f"{template}struct {declared}", body, comment)
        else:
            raise Fault(f"{shown}: {declared} is not recognized as a layer, a loss, an optimizer or a schedule")
    for found in USING.finditer(text):
        comment, declared, target, arguments = found.groups()
        if in_detail(text, found.start()):
            continue
        if target in items:
            items[target].names.append(declared) if arguments else items[target].names.insert(0, declared)
        elif target in hidden:
            kind, _ = kind_of(header, hidden[target])
            body = hidden[target].replace("Decoupled", arguments)
            items[declared] = Item(shown, kind, declared, declared, f"struct {declared}", body, comment)
    return list(items.values())


def complete(item, first, errors):
    """Checks the fields of an item, after those of the header's first comment are added, and reads its members."""
    for name, text in first.items():
        if name:
            item.fields.setdefault(name, text)
    item.terms = "".join(re.findall(r"In the formulas? .*?\.(?= [A-Z]|$)", first[""]))
    if not item.fields[""]:
        raise item.fault("has no description")
    names = FIELDS[item.kind].split()
    for name in names:
        if not name.startswith("[") and not item.fields.get(name):
            raise item.fault(f"has no field {name}")
    for name in item.fields:
        if name and name not in names and f"[{name}]" not in names:
            raise item.fault(f"has the field {name}, which {item.kind} do not have")
    if "Options" not in names:
        public = item.body.split("\n private:")[0]
        item.members = [found.groups() for found in MEMBER.finditer(public) if not found[1].startswith(("static", "using"))]
    for _, name, _, meaning in item.members:
        if not meaning:
            raise item.fault(f"has a member {name} without a comment behind it")
    for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", item.fields["Errors"].replace("std::invalid_argument", "")):
        if name not in errors and name not in [member[1] for member in item.members]:
            raise item.fault(f"names the error {name}, which has no page in docs/errors")


def read(include, errors):
    """All items of the headers below an include folder, and the options of layers."""
    items = []
    for room in ("layers", "losses", "optimizers"):
        for header in sorted((include / "strata" / room).glob("*.hpp")):
            if header.name.endswith("_impl.hpp"):
                continue
            text = header.read_text()
            first = fields_of(text.split("\n\n")[0].split("#pragma")[0])
            for item in items_of(header, text):
                complete(item, first, errors)
                items.append(item)
    header = include / "strata/core/options.hpp"
    options = [Item(header.relative_to(include.parent), "options", name, name, f"{template}struct {name}", body, comment)
               for comment, template, name, _, body in (found.groups() for found in STRUCT.finditer(header.read_text()))
               if "static constexpr unsigned sets" in body]
    for option in options:
        if not option.fields[""]:
            raise option.fault("has no description")
    return items, options


# --- Markdown -----------------------------------------------------------------------------------------------------------
WORD = re.compile(r"[A-Za-z_]\w*(?:(?:\.|::)\w+)*")
TUPLE = re.compile(r"\([A-Z][\w*+/']*(?:,[\w*+/']+)*(?:,\.\.\.)?\)")
CLOSING = {"(": ")", "<": ">", "[": "]", "{": "}"}
ESCAPED = {"<": "&lt;", "|": "&#124;", **{sign: "\\" + sign for sign in "\\*_[]"}}


def code_end(text, at):
    """Where the brackets that follow a word end: the end of f(x)[1] or of Conv<3, 4>."""
    while at < len(text) and text[at] in CLOSING:
        depth, end = [], at
        while end < len(text):
            if text[end] in CLOSING:
                depth.append(CLOSING[text[end]])
            elif depth and text[end] == depth[-1]:
                depth.pop()
            end += 1
            if not depth:
                break
        if depth:
            return at
        at = end
        more = re.match(r"(?:\.|::)\w+", text[at:])
        at += more.end() if more else 0
    return at


def markdown(text, links=None, always=()):
    """Text of a comment as Markdown: code in backticks, names as links. The names in `always` are links even as plain words."""
    links, out, at = links or {}, "", 0
    while at < len(text):
        word, shape = WORD.match(text, at), TUPLE.match(text, at)
        if text[at] == "`":
            end = text.index("`", at + 1) + 1
            out += text[at:end]
        elif shape:
            end = shape.end()
            out += f"`{shape[0]}`"
        elif word:
            end = code_end(text, word.end())
            value = re.match(r'=("[^"]*"|\w+(?:\.\w+)*(?: / \w+)?)', text[end:])
            if value:
                end += value.end()
            code, name = text[at:end], word[0]
            camel = len(re.findall("[A-Z]", name)) > 1 or name in always
            if name in links and (camel or end > word.end()):
                out += f"[`{code}`]({links[name]})"
            elif end > word.end() or re.search(r"_|::|\.", code):
                out += f"`{code}`"
            else:
                out += code
        elif text.startswith("->", at):
            end = at + 2
            out += "→"
        else:
            end = at + 1
            out += ESCAPED.get(text[at], text[at])
        at = end
    return out


def member_table(item):
    lines = ["| option | default | meaning |", "|---|---|---|"]
    for _, name, default, meaning in item.members:
        chosen = re.fullmatch(r"(true|false) \? (.*) : (.*)", default or "")
        if chosen:
            default = chosen[2] if chosen[1] == "true" else chosen[3]
        lines.append(f"| `{name}` | {f'`{default}`' if default else ''} | {markdown(meaning)} |")
    return "\n".join(lines)


def taken(item, items):
    """The outputs and the kinds of targets that a loss takes, which its code says."""
    outputs = re.search(r"Takes takes = (\w+)::(\w+);", item.body)
    targets = re.search(r"TargetKinds targets(?: = ([\w:]+)|\{(.*?)\};)", item.body, re.DOTALL)
    of = [other for other in items if targets[1] == f"{other.name}::targets"]
    named = ", ".join(f"`{kind}`" for kind in re.findall(r"Kind::(\w+)", targets[2] or ""))
    kinds = taken(of[0], items)[1] if of else named or "those of the loss"
    return "what the loss takes" if outputs[1] == "Loss" else outputs[2].replace("_", "-"), kinds


def page(item, items, links, errors):
    """The page of an item."""
    own = {*item.names, item.name, *re.findall(r"\w+", item.signature)}  # its template parameters too
    here = {name: "../" + link for name, link in links.items() if name not in own}
    fields = item.fields
    parts = [f"# {', '.join(item.names)}", markdown(fields[""], here),
             f"```cpp\n{item.signature}\n```", f"**Example**\n\n```cpp\n{fields['Example']}\n```",
             f"**Formula**\n\n```text\n{fields['Formula']}\n```"]
    if item.terms:
        parts.append(markdown(item.terms))
    for name in ("Shapes", "State", "Trained"):
        if name in fields:
            parts.append(f"**{name}:** {markdown(fields[name], here)}")
    if item.kind == "losses":
        outputs, kinds = taken(item, items)
        parts += [f"**Takes:** {outputs}", f"**Targets:** {kinds}"]
    if item.members:
        parts.append(f"**Options**\n\n{member_table(item)}")
    else:
        parts.append(f"**Options:** {markdown(fields.get('Options', 'none'), here, here)}")
    with_errors = here | {error: f"../../errors/{error}.md" for error in errors}
    parts.append(f"**Errors:** {markdown(fields['Errors'], with_errors, errors)}")
    parts.append(f"| framework | counterpart |\n|---|---|\n| Keras | {markdown(fields['Keras'])} |\n"
                 f"| PyTorch | {markdown(fields['PyTorch'])} |")
    if "Source" in fields:
        parts.append(f"**Source:** {markdown(fields['Source'])}")
    parts.append(f"Header: [{item.header.as_posix().removeprefix('include/')}](../../../{item.header.as_posix()})")
    return "\n\n".join(parts) + "\n"


def first_sentence(text):
    return re.match(r".*?(?<! al)\.(?= |$)|.*", text)[0]


def options_page(options, items, links):
    parts = ["# Options of layers",
             "An option is a type among the arguments of a layer, as in `Conv<5, 96, Stride<2>, NoBias>`. Options may come in "
             "any order. A wrong option gives the error [option_not_taken](../errors/option_not_taken.md) or "
             "[options_contradict](../errors/options_contradict.md)."]
    for option in options:
        users = [item for item in items if option.name in re.findall(r"\w+", item.fields.get("Options", ""))
                 and option.name not in re.findall(r"\w+", item.signature)]
        if not users:
            raise option.fault("is an option that no layer names in its field Options")
        others = {name: link for name, link in links.items() if name != option.name}
        parts += [f"## {option.name}", f"```cpp\n{option.signature}\n```", markdown(option.fields[""], others),
                  "Taken by " + ", ".join(f"[`{item.names[-1]}`]({item.path})" for item in users) + "."]
    return "\n\n".join(parts) + "\n"


def index_page(items, links):
    parts = ["# API reference",
             "This reference has a page for every layer, activation, loss, optimizer and schedule, and one for the "
             "[options of layers](options.md). `docs/reference.py` writes the pages from the comments in the headers.",
             "Shapes are `(N,H,W,C)` (images of the batch, rows, columns, channels) or `(N,n)` (vectors). Errors with a link are "
             "errors of the compiler. A test compiles every example, after\n\n"
             f"```cpp\n#include <strata/strata.hpp>\nusing namespace strata;\n\n{EXAMPLES}```",
             "A part of your own is one struct in your own file: see [Parts of your own](../extending.md)."]
    for kind in FIELDS:
        parts.append(f"## {kind.capitalize()}")
        rows = [f"| {kind} | |", "|---|---|"]
        for item in sorted(items, key=lambda item: item.name.lower()):
            if item.kind == kind:
                rows.append(f"| [{', '.join(item.names)}]({item.path}) | {markdown(first_sentence(item.fields['']), links)} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def pages(root):
    """All pages, by their path below docs/reference."""
    errors = {path.stem for path in (root / "docs/errors").glob("*.md")} - {"README"}
    items, options = read(root / "include", errors)
    links = {option.name: f"options.md#{option.name.lower()}" for option in options}
    links.update({name: item.path for item in items for name in (*item.names, item.name)})
    result = {item.path: page(item, items, links, errors) for item in items}
    result["options.md"] = options_page(options, items, links)
    result["README.md"] = index_page(items, links)
    folder = root / "docs/reference"
    for old in sorted(folder.rglob("*.md")):
        if old.relative_to(folder).as_posix() not in result:
            raise Fault(f"{old.relative_to(root)}: no item of the headers has this page; delete it")
    return result


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        raise SystemExit(__doc__)
    try:
        written = pages(ROOT)
    except Fault as fault:
        raise SystemExit(f"reference.py: {fault}") from None
    for name, text in written.items():
        path = ROOT / "docs/reference" / name
        if check and (not path.exists() or path.read_text() != text):
            raise SystemExit(f"reference.py: docs/reference/{name} is not what the headers say; run docs/reference.py")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    print(f"{len(written)} pages")


if __name__ == "__main__":
    main()
