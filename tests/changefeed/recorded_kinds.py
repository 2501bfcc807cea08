"""Every kind of change that the database's triggers and the code can record, read from both."""

import ast
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.db import connection
from django_fsm import FSMField

ROOT = Path(__file__).resolve().parents[2]
APPS = ("changefeed", "rules", "orders", "returns")
_LITERAL = re.compile(r"'([a-z]+\.[a-z_]+)'")
_COMPOSED = re.compile(r"'([a-z]+)\.'\s*\|\|\s*(CASE\b.*?\bEND\b|[a-z]+\.[a-z_]+)", re.DOTALL)
_WHEN = re.compile(r"WHEN (?:'([a-z_]+)'|.*?) THEN '([a-z_]+)'")
_ELSE = re.compile(r"ELSE ([a-z]+)\.([a-z_]+)")


def by_triggers() -> set[str]:
    """Kinds that the functions stored in this database can write.

    A word composed of a state stands for every state that an act can lead to, or, where rows are
    born in any, for every state there is.
    """
    found = set()
    for table, event, source in _functions():
        found |= set(_LITERAL.findall(source))
        for prefix, expression in _COMPOSED.findall(source):
            found |= {f"{prefix}.{word}" for word in _words(expression, table, event)}
    return found


def _functions() -> list[tuple[str, str, str]]:
    """(table, INSERT or UPDATE or DELETE, body) of every trigger that writes to the feed."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT c.relname,
                   CASE WHEN t.tgtype & 4 <> 0 THEN 'INSERT' WHEN t.tgtype & 16 <> 0 THEN 'UPDATE'
                        ELSE 'DELETE' END,
                   p.prosrc
            FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
            JOIN pg_class c ON c.oid = t.tgrelid
            WHERE NOT t.tgisinternal AND p.prosrc ~ 'INSERT INTO changefeed_change\\s'
        """)
        return cursor.fetchall()


def _words(expression: str, table: str, event: str) -> set[str]:
    if not expression.startswith("CASE"):
        return _states(table, event)
    mapped = _WHEN.findall(expression)
    renamed = {state for state, _word in mapped if state}
    rest = _states(table, event) if _ELSE.search(expression) else set()
    return {word for _state, word in mapped} | (rest - renamed)


def _states(table: str, event: str) -> set[str]:
    model = next(one for one in apps.get_models() if one._meta.db_table == table)
    field = model._meta.get_field("state")
    assert isinstance(field, FSMField)
    if event == "INSERT":
        return {str(value) for value, _label in field.choices or ()}
    return {str(each.target) for each in field.get_all_transitions(model)}


def by_calls() -> set[str]:
    """Kinds that Python code names when it records, through whatever helper it does so.

    A kind that cannot be read from the code fails the test.
    """
    modules = [_Module(path) for path in _sources()]
    recorders = {"record_change": 0}
    while True:
        found = {name: place for one in modules for name, place in one.helpers(recorders)}
        if found.items() <= recorders.items():
            break
        recorders |= found
    return {word for one in modules for word in one.kinds(recorders)}


def by_sql_in_code() -> set[str]:
    """Kinds that Python code writes with SQL of its own."""
    texts = [
        node.value
        for path in _sources()
        if path.name != "triggers.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "INSERT INTO changefeed_change " in node.value
    ]
    return set(itertools.chain.from_iterable(map(_LITERAL.findall, texts)))


def _sources() -> Iterator[Path]:
    for app in APPS:
        yield from (p for p in (ROOT / app).rglob("*.py") if "migrations" not in p.parts)


@dataclass(frozen=True)
class _Call:
    """A call, the functions around it, and the expression that it gives for the kind."""

    line: int
    function: ast.FunctionDef | None
    kind: ast.expr


class _Module:
    """A module's calls of functions that record, known by their names."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text())

    def helpers(self, recorders: dict[str, int]) -> Iterator[tuple[str, int]]:
        """(name, place of the parameter) of functions that pass a parameter on as the kind."""
        for call in self.calls(recorders):
            if call.function is None or not isinstance(call.kind, ast.Name):
                continue
            parameters = [argument.arg for argument in call.function.args.args]
            if call.kind.id in parameters:
                yield call.function.name, parameters.index(call.kind.id)

    def kinds(self, recorders: dict[str, int]) -> Iterator[str]:
        passed_on = dict(self.helpers(recorders))
        for call in self.calls(recorders):
            words = _constants(call.kind, call.function)
            name = call.function.name if call.function else ""
            assert words or name in passed_on, f"{self.path}:{call.line}: which kind is it?"
            yield from words

    def calls(self, recorders: dict[str, int]) -> Iterator[_Call]:
        return self._within(self.tree, None, recorders)

    def _within(
        self, node: ast.AST, function: ast.FunctionDef | None, recorders: dict[str, int]
    ) -> Iterator[_Call]:
        for child in ast.iter_child_nodes(node):
            name = child.func.id if _is_plain_call(child) else ""  # type: ignore[attr-defined]
            if name in recorders:
                given = child.args[recorders[name]]  # type: ignore[attr-defined]
                yield _Call(child.lineno, function, given)  # type: ignore[attr-defined]
            inside = child if isinstance(child, ast.FunctionDef) else function
            yield from self._within(child, inside, recorders)


def _is_plain_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def _constants(value: ast.expr, function: ast.FunctionDef | None) -> set[str]:
    """The texts an expression can be: a constant, either of two, or what a name was given."""
    if isinstance(value, ast.Constant):
        return {str(value.value)}
    if isinstance(value, ast.IfExp):
        return _constants(value.body, function) | _constants(value.orelse, function)
    if isinstance(value, ast.Name) and function is not None:
        assigned = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and any(isinstance(to, ast.Name) and to.id == value.id for to in node.targets)
        ]
        return {word for one in assigned for word in _constants(one, None)}
    return set()
