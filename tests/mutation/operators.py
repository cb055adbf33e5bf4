"""What is changed in the code, one change at a time: mutmut's operators, and four that it lacks.

Words for people are left alone: a sentence, a docstring, the text of an f-string. No rule reads them, and the
scenarios' logs and the tests of messages hold those that matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst
from mutmut.mutation.mutators import mutation_operators, operator_string

_SENTENCE = re.compile(r"[A-Za-z',;:)] [A-Za-z('{]")
_JUDGED_ELSEWHERE = (cst.Comparison, cst.BooleanOperation, cst.UnaryOperation)


def changes(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Every change that begins at this node: what is replaced, and by what."""
    for kind, operator in mutation_operators:
        if isinstance(node, kind) and not (operator is operator_string and _is_talk(node)):
            for instead in operator(node):
                yield node, instead
    if isinstance(node, cst.If | cst.While | cst.CompIf) and not isinstance(node.test, _JUDGED_ELSEWHERE):
        bracketed = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.test, cst.UnaryOperation(cst.Not(), bracketed)
    if isinstance(node, cst.If):
        yield node.test, cst.Name("False")
    if isinstance(node, cst.Set | cst.Tuple | cst.List | cst.Dict) and len(node.elements) > 1:
        for rest in _without_one(node):
            yield node, node.with_changes(elements=rest)
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.BaseString | cst.Ellipsis):
        yield node, cst.Pass()


def _without_one(node: cst.Set | cst.Tuple | cst.List | cst.Dict) -> Iterator[list[object]]:
    for index in range(len(node.elements)):
        rest: list[object] = [*node.elements[:index], *node.elements[index + 1 :]]
        if isinstance(node, cst.Tuple) and isinstance(rest[0], cst.Element) and len(rest) == 1:
            rest = [rest[0].with_changes(comma=cst.Comma())]
        yield rest


def _is_talk(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleString) and bool(_SENTENCE.search(str(node.evaluated_value)))
