# SPDX-License-Identifier: BSL-1.0
"""Prints a network as C++: what repeats gets a name, so that it reads as a person would write it."""
import re

from layers import Join

WIDTH = 110
_JOINS = ("Residual", "Gate", "Concat")
_NUMBER = re.compile(r"(?<![\w.-])\d+(?![\w.])")
_ACTIVATION = re.compile(r"^(ReLU|ReLU6|SiLU|HardSwish|HardSigmoid|Sigmoid|Tanh|GELU|GELUTanh|ELU|Softplus|PReLU|"
                         r"(LeakyReLUOf|ELUOf|Clip)<[^<>]*>)$")


class Node:
    """A layer as text, or a head with children: Residual, Shortcut, Gate, Concat, Sequential."""

    def __init__(self, text, children=None):
        self.text, self.children = text, children

    def flat(self):
        if self.children is None:
            return self.text
        return f"{self.text}<{', '.join(child.flat() for child in self.children)}>"


def nodes_of(chain):
    return [_join(item) if isinstance(item, Join) else Node(item.text()) for item in chain]


def _join(join):
    branches = [nodes_of(branch) for branch in join.branches]
    if join.kind == "Concat":
        return Node("Concat", [b[0] if len(b) == 1 else Node("Sequential", b) for b in branches])
    children = branches[0]
    if len(branches) > 1:
        children = children + [Node("Shortcut", branches[1])]
    return Node(join.kind, children)


class Printer:
    def __init__(self, chain, shape):
        self.nodes = nodes_of(chain)
        self.definitions, self.names = [], {"Net", "Input"}
        self._norms()
        self._convolutions()
        self._joins()
        self.nodes.insert(0, Node(f"Input<{shape[0]}, {shape[1]}, {shape[2]}>"))

    def text(self):
        """The definitions and the network, without the namespace around them."""
        net = "using Net = " + lines_of(Node("Sequential", self.nodes), 0) + ";"
        return "\n".join([*self.definitions, net])

    def _name(self, wanted, many=False):
        """A new name; numbered if there are several."""
        count, name = 1, f"{wanted}1" if many else wanted
        while name in self.names:
            count += 1
            name = f"{wanted}{count}"
        self.names.add(name)
        return name

    def _lists(self, nodes=None):
        """Every list of nodes that are computed one after the other, the outermost last."""
        nodes = self.nodes if nodes is None else nodes
        for node in nodes:
            if node.children is not None and node.text == "Concat":
                for branch in node.children:
                    if branch.children is not None:
                        yield from self._lists([branch])
            elif node.children is not None:
                yield from self._lists(node.children)
        yield nodes

    # --- Names for what repeats -------------------------------------------------------------------------------------

    def _leaves(self, nodes=None):
        for node in self.nodes if nodes is None else nodes:
            if node.children is None:
                yield node
            else:
                yield from self._leaves(node.children)

    def _norms(self):
        """A normalization with options gets a name if it is used more than once."""
        counts = {}
        for node in self._leaves():
            if node.text.startswith(("BatchNormOf<", "LayerNormOf<")):
                counts[node.text] = counts.get(node.text, 0) + 1
        often = [text for text, count in counts.items() if count > 1]
        for text in often:
            name = self._name("Norm", len(often) > 1)
            self.definitions.append(f"using {name} = {text};")
            for node in self._leaves():
                if node.text == text:
                    node.text = name

    def _convolutions(self):
        """A convolution, its normalization and its activation."""
        counts = {}
        for nodes in self._lists():
            for at in range(len(nodes)):
                key = self._unit(nodes, at)
                if key:
                    counts[key] = counts.get(key, 0) + 1
        often = [key for key, count in counts.items() if count >= 3]
        names = {}
        for key in often:
            bias, *rest = key
            name = "Conv" + "".join(re.sub(r"<.*|Of|\d", "", text) if text.startswith(("Norm", "BatchNorm")) else
                                    re.sub(r"<.*|Of", "", text) for text in rest)
            names[key] = self._name(name)
            options = "Options..." + (", NoBias" if bias else "")
            body = ", ".join([f"Conv<Kernel, Filters, {options}>", *rest])
            self.definitions.append("template <auto Kernel, int Filters, class... Options>\n"
                                    f"using {names[key]} = Sequential<{body}>;")
        for nodes in list(self._lists()):
            at = 0
            while at < len(nodes):
                key = self._unit(nodes, at)
                if key in names:
                    text = re.sub(r", NoBias>$", ">", nodes[at].text)
                    nodes[at:at + len(key)] = [Node(names[key] + text.removeprefix("Conv"))]
                at += 1
        self._unwrap()

    @staticmethod
    def _unit(nodes, at):
        """(without bias?, what follows the convolution) or None."""
        text = nodes[at].text
        if nodes[at].children is not None or not text.startswith("Conv<"):
            return None
        rest = []
        for node in nodes[at + 1:at + 3]:
            if node.children is not None:
                break
            if not rest and re.match(r"(Batch)?Norm\w*$", node.text) or _ACTIVATION.match(node.text):
                rest.append(node.text)
                if _ACTIVATION.match(node.text):
                    break
            else:
                break
        return (text.endswith(", NoBias>"), *rest) if rest else None

    def _joins(self):
        """The inner ones first, so that their names stand in the outer ones."""
        done = set()
        while True:
            places = [(nodes, node) for nodes in self._places() for node in nodes
                      if node.text in _JOINS and node.children is not None and id(node) not in done
                      and all(id(inner) in done for inner in self._all(node.children)
                              if inner.text in _JOINS and inner.children is not None)]
            if not places:
                break
            done |= {id(node) for _, node in places}
            groups = {}
            for nodes, node in places:
                groups.setdefault(_NUMBER.sub("#", node.flat()), []).append((nodes, node))
            groups = [group for group in groups.values() if len(group) > 1]
            heads = [_head(group[0][1]) for group in groups]
            for group, head in zip(groups, heads):
                self._template(group, head, heads.count(head) > 1)
            self._unwrap()

    def _unwrap(self):
        """A branch of one layer needs no Sequential."""
        for node in self._all():
            if node.text == "Concat" and node.children is not None:
                node.children = [b.children[0] if b.text == "Sequential" and b.children and len(b.children) == 1 else b
                                 for b in node.children]

    def _places(self):
        """The lists in which a join may stand: layers one after the other, and the branches of a Concat."""
        yield self.nodes
        for node in self._all():
            if node.children is not None:
                yield node.children

    def _all(self, nodes=None):
        for node in self.nodes if nodes is None else nodes:
            yield node
            if node.children is not None:
                yield from self._all(node.children)

    def _template(self, group, head, many):
        """One name for joins that differ in numbers alone, with what stands before and behind all of them."""
        spans = [[nodes, nodes.index(node), nodes.index(node) + 1] for nodes, node in group]
        if group[0][1].text == "Residual":
            self._grow(spans, lambda start, end: (start, end + 1), _ACTIVATION)
        elif head == "Branches":  # a Concat of two; with a convolution of 1x1 before it, it is SqueezeNet's
            convolution, before = re.compile(r"^Conv\w*<1,"), lambda start, end: (start - 1, end)
            if self._grow(spans, before, convolution) or (self._grow(spans, before, _ACTIVATION) and
                                                          self._grow(spans, before, convolution)):
                head = "Fire"
        bodies = []
        for nodes, start, end in spans:
            bodies.append(nodes[start] if end == start + 1 else Node("Sequential", nodes[start:end]))
        texts = [body.flat() for body in bodies]
        columns = list(zip(*[_NUMBER.findall(text) for text in texts]))
        name = self._name(head, many)
        parameters, written = _parameters(texts[0], columns)
        definition = _replaced(bodies[0], iter(written))
        head_line = f"template <{', '.join('int ' + p for p, _ in parameters)}>\n" if parameters else ""
        self.definitions.append(head_line + f"using {name} = " + lines_of(definition, 0) + ";")
        for number, (nodes, start, end) in sorted(enumerate(spans), key=lambda item: -item[1][1]):
            arguments = ", ".join(column[number] for _, column in parameters)
            nodes[start:end] = [Node(f"{name}<{arguments}>" if parameters else name)]

    @staticmethod
    def _grow(spans, step, pattern):
        """Widens all spans by one neighbour if it is of one form everywhere, and matches."""
        wider = [(nodes, *step(start, end)) for nodes, start, end in spans]
        for (nodes, start, end), (_, old_start, _) in zip(wider, spans):
            if start < 0 or end > len(nodes):
                return False
        neighbours = [nodes[end - 1] if start == old[1] else nodes[start] for (nodes, start, end), old in zip(wider, spans)]
        if any(n.children is not None or not pattern.match(n.text) for n in neighbours):
            return False
        if len({_NUMBER.sub("#", n.text) for n in neighbours}) > 1:
            return False
        spans[:] = [list(span) for span in wider]
        return True


def _head(node):
    """A name in the words of the field."""
    text = node.flat()
    if node.text == "Gate":
        return "SqueezeExcite" if node.children[0].text == "GlobalAvgPool" else "Gated"
    if node.text == "Concat":
        if any(child.text == "Sequential" and not child.children for child in node.children):
            return "DenseLayer"
        if text.startswith("Concat<Channels<"):
            return "ShuffleUnit"
        return "Inception" if len(node.children) > 2 else "Branches"
    kernels = [k for k in re.findall(r"\bConv\w*<(\d+)", text)]
    if "Groups<" in text:
        return "InvertedResidual" if kernels[:1] == ["1"] else "Block"
    if kernels[:3] == ["1", "3", "1"]:
        return "Bottleneck"
    return "BasicBlock" if kernels[:2] == ["3", "3"] else "Block"


def _parameters(text, columns):
    """([(name, its numbers)], what is written for each number). Numbers that agree everywhere stay, columns that are equal
    share a name, and one that is a multiple of another is written as such."""
    roles, parameters, written = _roles(text), [], []
    for role, column in zip(roles, columns):
        if len(set(column)) == 1:
            written.append(column[0])
            continue
        for name, known in parameters:
            if known == column:
                written.append(name)
                break
            factors = {int(a) / int(b) if int(b) else 0 for a, b in zip(column, known)}
            if len(factors) == 1 and factors & {2, 3, 4, 6, 8} and role in ("Filters", "Count"):
                written.append(f"{int(factors.pop())} * {name}")
                break
        else:
            taken = [name for name, _ in parameters]
            name, count = role, 1
            while name in taken or f"{name}<" in text:  # not the name of a layer inside
                count += 1
                name = f"{role}{count}"
            parameters.append((name, column))
            written.append(name)
    return parameters, written


def _roles(text):
    """For each number of a text, what a parameter in its place is called."""
    stack, roles = [], []
    for match in re.finditer(r"([A-Za-z_]\w*)\s*<|[,>]|(?<![\w.-])\d+(?![\w.])", text):
        piece = match[0]
        if match[1]:
            stack.append([match[1], 0])
        elif piece == ",":
            if stack:
                stack[-1][1] += 1
        elif piece == ">":
            if stack:
                stack.pop()
        else:
            head, place = stack[-1] if stack else ("", 0)
            role = "Number"
            if head.startswith("Conv"):
                role = "Kernel" if place == 0 else "Filters"
            role = {"Dense": "Units", "Size": "Side", "Stride": "Step", "Groups": "Channels", "Pad": "Border",
                    "Dilation": "Spread", "MaxPool": "Side", "AvgPool": "Side"}.get(head, role)
            if head == "Channels":
                role = "First" if place == 0 else "Count"
            if head == "Reshape":
                role = ("Height", "Width", "Channels")[min(place, 2)]
            roles.append(role)
    return roles


def _replaced(node, written):
    """A copy with other numbers."""
    if node.children is None:
        return Node(_NUMBER.sub(lambda _: next(written), node.text))
    return Node(node.text, [_replaced(child, written) for child in node.children])


def lines_of(node, indent):
    """The text of a node, broken into lines. `indent` is the column of its line."""
    flat = node.flat()
    if len(flat) + indent <= WIDTH - 14 or node.children is None:
        return flat
    inner, line, lines = indent + 4, "", []
    for number, child in enumerate(node.children):
        end = "," if number + 1 < len(node.children) else ">"
        text = lines_of(child, inner) + end
        if "\n" in text or len(child.flat()) > 60:
            if line:
                lines.append(line)
            lines.append(text)
            line = ""
        elif line and len(line) + 1 + len(text) + inner > WIDTH:
            lines.append(line)
            line = text
        else:
            line = f"{line} {text}" if line else text
    if line:
        lines.append(line)
    return f"{node.text}<\n" + "\n".join(" " * inner + text for text in lines)


def header(name, body, shape, output, parameters, notes):
    """The whole file. The notes are lines of a comment."""
    sides = ", ".join(map(str, output))
    comment = "\n".join(f"// {line}" for line in notes)
    return f"""{comment}
#pragma once
#include <strata/network.hpp>

namespace {name} {{
using namespace strata;

{body}

static_assert(Net::output == Shape{{{sides}}} && Net::parameters == {parameters});
}}  // namespace {name}
"""
