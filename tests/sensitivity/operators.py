"""What is changed so that a VM may be started more often, one change at a time: guards, and what they ask.

forced          a condition (`if`, `elif`, of an expression, a filter, a `case … if`), a comparison, `any`,
                `all`: False, True
dropped         a term of an `and` or `or`, a `not`, a side of a set's operation, an element of a table, an argument of
                `min` or `max`
widened         `<` and `<=`, `>` and `>=`; `and` and `or`; `any` and `all`; `min` and `max`; a number: none, one more
fallen through  a `return` in the midst of a function, a `raise`
not done        a statement that only does something: an effect, a renewal, a note of what is so
allowed         what a refusal of the gate returns; `ambiguous` and `still_alive` read as death or as silence, an
                unknown start as none

Words for people are left alone: no rule reads them. Whether a change does make a start more often is not decided here:
the hunt sees it (see `trial.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

Change = tuple[cst.CSTNode, cst.CSTNode]

FALSE, TRUE = cst.Name("False"), cst.Name("True")
_EVALUATED = m.NamedExpr() | m.Yield()
"""A condition that holds one of these does something, and does it all the same."""
_WIDER: dict[type[cst.BaseCompOp], cst.BaseCompOp] = {
    cst.LessThan: cst.LessThanEqual(),
    cst.LessThanEqual: cst.LessThan(),
    cst.GreaterThan: cst.GreaterThanEqual(),
    cst.GreaterThanEqual: cst.GreaterThan(),
}
_WORDS = m.SimpleString() | m.FormattedString() | m.ConcatenatedString()
_READ_AS = {
    "Verdict.AMBIGUOUS": ("Verdict.CONFIRMED_DEAD", "Verdict.UNREACHABLE"),
    "Verdict.STILL_ALIVE": ("Verdict.CONFIRMED_DEAD", "Verdict.UNREACHABLE"),
    "Verdict.UNREACHABLE": ("Verdict.CONFIRMED_DEAD",),
    "StartResult.UNKNOWN": ("StartResult.CLEAN", "StartResult.RUNNING"),
    "StartResult.RUNNING": ("StartResult.CLEAN",),
    "Proof.NOTHING": ("Proof.SILENCE",),
    "Proof.HOST_ALIVE": ("Proof.SILENCE",),
    "Unreachable.PROVE": ("Unreachable.CONFIRM",),
    "Unreachable.CONFIRM": ("Unreachable.PROCEED",),
    "VmState.STARTING": ("VmState.STOPPED", "VmState.RUNNING"),
}
"""What is taken for something that opens more."""
_REFUSALS = ("_refused", "_no_sibling", "Refused")
_ALLOWED = cst.parse_expression('Allowed(Reason.UNREACHABLE_CONFIRMED, "")')


def changes(node: cst.CSTNode) -> Iterator[Change]:
    """Every change that begins at this node."""
    match node:
        case cst.If() | cst.CompIf():
            yield from _forced(node.test)
        case cst.IfExp():
            if not (m.matches(node.body, _WORDS) or m.matches(node.orelse, _WORDS)):
                yield from _forced(node.test)
        case cst.While():
            yield node.test, FALSE
        case cst.MatchCase() if node.guard is not None:
            yield from _forced(node.guard)
        case cst.BooleanOperation():
            yield from _of_boolean(node)
        case cst.Comparison():
            yield from _of_comparison(node)
        case cst.UnaryOperation() if isinstance(node.operator, cst.Not):
            yield node, _bracketed(node.expression)
        case cst.BinaryOperation() if not _makes_words(node):
            yield node, _bracketed(node.left)
            yield node, _bracketed(node.right)
        case cst.Call():
            yield from _of_call(node)
        case cst.Integer() | cst.Float():
            yield node, cst.Integer("0")
            yield node, cst.Integer(str(int(float(node.value)) + 1))
        case cst.Set() | cst.Tuple() | cst.List() | cst.Dict():
            yield from _without_one(node)
        case cst.Attribute():
            for instead in _READ_AS.get(f"{_name(node.value)}.{node.attr.value}", ()):
                yield node, cst.parse_expression(instead)
        case cst.SimpleStatementLine():
            yield from _of_statement(node)


def _forced(test: cst.BaseExpression) -> Iterator[Change]:
    if not m.findall(test, _EVALUATED):
        yield test, FALSE
        yield test, TRUE
        return
    yield test, cst.BooleanOperation(_bracketed(test), cst.And(), FALSE)
    yield test, cst.BooleanOperation(_bracketed(test), cst.Or(), TRUE)


def _of_boolean(node: cst.BooleanOperation) -> Iterator[Change]:
    yield node, _bracketed(node.left)
    yield node, _bracketed(node.right)
    other = cst.Or() if isinstance(node.operator, cst.And) else cst.And()
    yield node, node.with_changes(operator=other)


def _of_comparison(node: cst.Comparison) -> Iterator[Change]:
    yield from _forced(node)
    for number, target in enumerate(node.comparisons):
        wider = _WIDER.get(type(target.operator))
        if wider is not None:
            others = list(node.comparisons)
            others[number] = target.with_changes(operator=wider)
            yield node, node.with_changes(comparisons=others)


def _of_call(node: cst.Call) -> Iterator[Change]:
    name, args = _name(node.func), [arg.value for arg in node.args if arg.keyword is None]
    other = {"any": "all", "all": "any", "min": "max", "max": "min"}.get(name)
    if other is None:
        return
    yield node, node.with_changes(func=cst.Name(other))
    if name in ("any", "all"):
        yield from _forced(node)
    elif len(args) > 1:
        for arg in args:
            yield node, _bracketed(arg)


def _without_one(node: cst.Set | cst.Tuple | cst.List | cst.Dict) -> Iterator[Change]:
    if len(node.elements) < 2:
        return
    for index in range(len(node.elements)):
        rest = [*node.elements[:index], *node.elements[index + 1 :]]
        if isinstance(node, cst.Tuple) and len(rest) == 1 and isinstance(rest[0], cst.Element):
            rest = [rest[0].with_changes(comma=cst.Comma())]
        yield node, node.with_changes(elements=rest)


def _of_statement(line: cst.SimpleStatementLine) -> Iterator[Change]:
    [statement, *more] = line.body
    if more:
        return
    nothing = line.with_changes(body=[cst.Pass()])
    match statement:
        case cst.Expr() if not m.matches(statement.value, _WORDS | m.Ellipsis()):
            yield line, nothing
        case cst.Raise() | cst.AugAssign():
            yield line, nothing
        case cst.Assign() if isinstance(statement.targets[0].target, cst.Attribute | cst.Subscript):
            yield line, nothing
        case cst.Return():
            yield line, nothing
            call = statement.value
            if isinstance(call, cst.Call) and _name(call.func) in _REFUSALS:
                yield call, _ALLOWED


def _makes_words(node: cst.BinaryOperation) -> bool:
    return bool(m.findall(node, _WORDS))


def _name(node: cst.CSTNode) -> str:
    return node.value if isinstance(node, cst.Name) else ""


def _bracketed(node: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(node, cst.Name | cst.Call | cst.Attribute) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
