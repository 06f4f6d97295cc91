"""Wrong variants of a right solution, one small change each: a check that lets one through has a hole.

    for mutant in mutants(source):
        exec(mutant.source, namespace)

The changes are those people make by accident: another operator, a comparison off by one, a wrong axis, a lost
sign, a line left out, arguments swapped, True for False.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


@dataclass(frozen=True)
class Mutant:
    """A changed source: on which line, and what was changed."""

    source: str
    line: int
    change: str


def mutants(source: str) -> Iterator[Mutant]:
    """All variants of `source` with a single change, each a module of its own. Docstrings are left alone.

    Raises:
        SyntaxError: the source is no Python.
    """
    tree = ast.parse(source)
    count = len(list(ast.walk(tree)))
    seen = {ast.unparse(tree)}
    for index in range(count):
        for variant in range(len(_changes(_nth(tree, index), tree))):
            changed = copy.deepcopy(tree)
            node = _nth(changed, index)
            before, line = _shown(node), getattr(node, "lineno", 0)
            describe = _changes(node, changed)[variant]()
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text not in seen:
                seen.add(text)
                yield Mutant(text, line, f"{before}  ->  {describe}")


def _nth(tree: ast.AST, index: int) -> ast.AST:
    return list(ast.walk(tree))[index]


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).splitlines()[0] if hasattr(node, "lineno") else type(node).__name__


def _changes(node: ast.AST, tree: ast.AST) -> list:
    """Functions that each make one change to `node` in place and return what it reads like then."""
    found = []

    def offer(change) -> None:
        found.append(lambda: change() or _shown(node))

    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        for other in OPERATORS.get(type(node.op), ()):
            offer(lambda other=other: setattr(node, "op", other()))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
        offer(lambda: _swap(node, "left", "right"))
    if isinstance(node, ast.Compare):
        for other in OPERATORS.get(type(node.ops[0]), ()):
            offer(lambda other=other: node.ops.__setitem__(0, other()))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert | ast.Not):
        found.append(lambda: _replace(tree, node, node.operand))
    if isinstance(node, ast.Constant):
        for value in _other_values(node.value):
            offer(lambda value=value: setattr(node, "value", value))
    if isinstance(node, ast.Call) and len(node.args) >= 2 and not any(_starred(a) for a in node.args[:2]):
        offer(lambda: node.args.__setitem__(slice(0, 2), node.args[1::-1]))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_value(node.func.value):
        found.append(lambda: _replace(tree, node, node.func.value))  # x.step(...) -> x
    if isinstance(node, ast.FunctionDef):
        body = node.body
        for i in range(_after_docstring(body), len(body)):
            if not isinstance(body[i], ast.Return):
                found.append(lambda i=i: f"without `{ast.unparse(body.pop(i)).splitlines()[0]}`")
    return found


def _other_values(value: object) -> list:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 2, -value, value / 10] if value else [1.0]
    return []


def _starred(node: ast.AST) -> bool:
    return isinstance(node, ast.Starred)


def _is_value(node: ast.AST) -> bool:
    """Whether `node.method()` can be left out: not for a module such as torch."""
    return not (isinstance(node, ast.Name) and node.id in {"torch", "math", "F", "nn", "self", "super"})


def _after_docstring(body: list[ast.stmt]) -> int:
    return int(isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant))


def _swap(node: ast.AST, one: str, other: str) -> None:
    first, second = getattr(node, one), getattr(node, other)
    setattr(node, one, second)
    setattr(node, other, first)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> str:
    for parent in ast.walk(tree):
        for name, field in ast.iter_fields(parent):
            if field is old:
                setattr(parent, name, new)
            elif isinstance(field, list) and any(item is old for item in field):
                field[:] = [new if item is old else item for item in field]
    return ast.unparse(new)
