"""The text of a condition on rows, read into a tree: SQL as sqlglot parses it, and of that only what compares columns.

Decisions a reader would question:
- Words are looked at before the parser sees them. Nothing gets there but comparisons, AND, OR, NOT, brackets, plain
  values, arithmetic, names of columns and CAST(column AS DOUBLE) to the letter, so no other function, subquery or
  statement is parsed, and none of the parser's ways to look ahead into one. What the tree is made of is checked once
  more when it is read (matching.py).
- A column may have a name that SQL keeps for itself (date, index, format). Where it is one of the table's, it is one.
- Bounds on length and depth stand above what anybody writes by hand: a parser that calls itself has a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artifact.errors import UsageError
from artifact.nearest import nearest

LONGEST = 1 << 16
"""Characters; a list of ids to choose from may be long."""
DEEPEST = 20
"""Brackets within brackets, and conditions within conditions."""
MOST_COMPARISONS = 500
"""Each of them reads a column once."""

EXAMPLE = "label = 'shoe' and price < 50"

_OPERATORS = {
    *("AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "IS", "NULL", "TRUE", "FALSE"),
    *("EQ", "NEQ", "LT", "LTE", "GT", "GTE", "PLUS", "DASH", "STAR", "SLASH", "L_PAREN", "R_PAREN", "COMMA"),
    *("STRING", "NUMBER", "IDENTIFIER"),
}
"""Names of the token types that a condition is made of, besides names of columns."""
_TIMES = ("DATE", "TIMESTAMP")
"""Words that say of the text behind them what it is."""
CAST_TYPES = {"DOUBLE": False, "BIGINT": True, "INTEGER": True}
"""What text can be read as, and whether those are whole numbers."""
_CASTS = ("CAST", "TRY_CAST")


def parse_condition(text: str, columns: Sequence[str]) -> Any:
    """The tree of a condition, a sqlglot Expression whose columns are all among `columns`.

    Raises:
        UsageError: it is empty, too long or too deep, no condition, names no column of the table, or holds what is not
            taken: functions, subqueries, several statements, comments.
    """
    from sqlglot import exp  # 0.2 s, and few searches need it
    from sqlglot.errors import ParseError, TokenError
    from sqlglot.parser import Parser
    from sqlglot.tokens import Tokenizer

    if len(text) > LONGEST:
        raise refused(f"{len(text):,} characters", expected=f"at most {LONGEST:,} characters")
    if not text.strip():
        raise refused("nothing")
    try:
        tokens = Tokenizer().tokenize(text)
        if not tokens:
            raise refused("a comment")
        trees = Parser().parse(_checked(tokens, columns), text)
    except TokenError:
        raise refused(text, mend="a quote is not closed") from None
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        raise refused(text, mend=f"it cannot be read at {str(found.get('highlight', ''))!r}") from None
    except RecursionError:
        raise _too_deep() from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Expression):
        raise refused(text)
    _require_shallow(trees[0])
    return trees[0]


def refused(got: str, *, expected: str = f"a condition such as {EXAMPLE}", mend: str | None = None) -> UsageError:
    """What a condition that is not taken is told."""
    return UsageError("where", expected=expected, got=got if len(got) <= 200 else f"{got[:200]} ...", mend=mend)


def named(name: str) -> str:
    """A column as a condition names it."""
    return name if name.isascii() and name.isidentifier() else '"' + name.replace('"', '""') + '"'


def _checked(tokens: list[Any], columns: Sequence[str]) -> list[Any]:
    """The tokens, names of columns marked as such; raises UsageError for what is no part of a condition."""
    depth, checked, num_cast = 0, [], 0
    for at, (token, after) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        if token.comments:
            raise refused("a comment")
        kind, follows = token.token_type.name, after.token_type.name if after is not None else ""
        depth += (kind == "L_PAREN") - (kind == "R_PAREN")
        if depth > DEEPEST:
            raise _too_deep()
        if _is_cast(tokens[at : at + 6]):
            num_cast = 6
        num_cast -= 1
        if num_cast >= 0 and num_cast != 3:  # all of it but the name
            checked.append(token)
            continue
        is_word = kind != "STRING" and kind != "NUMBER" and (kind == "IDENTIFIER" or token.text[:1].isidentifier())
        is_operator = kind in _OPERATORS and kind != "IDENTIFIER"
        if is_word and not is_operator and follows == "L_PAREN":
            is_cast = token.text.upper() in _CASTS
            how = f"it is CAST(column AS TYPE), with {', '.join(CAST_TYPES)} for TYPE" if is_cast else None
            raise refused(f"the function {token.text}", mend=how or "functions are not taken")
        if kind in _TIMES and follows == "STRING":
            checked.append(token)
        elif is_word and not is_operator:
            checked.append(_name_of_column(token, columns))
        elif kind in _OPERATORS or token.text == "%":
            checked.append(token)
        else:
            mend = (
                "a name with a dot stands in double quotes, and a number begins with a digit" if kind == "DOT" else None
            )
            raise refused(token.text, expected=f"only comparisons of columns, such as {EXAMPLE}", mend=mend)
    return checked


def _is_cast(tokens: Sequence[Any]) -> bool:
    """Whether six tokens are CAST(column AS TYPE)."""
    words = [token.text.upper() for token in tokens]
    kinds = [token.token_type.name for token in tokens]
    return (
        len(tokens) == 6
        and (words[0] in _CASTS and kinds[0] == "VAR" and kinds[1] == "L_PAREN")
        and (kinds[2] not in ("STRING", "NUMBER") and words[3] == "AS" and kinds[3] == "ALIAS")
        and (words[4] in CAST_TYPES and kinds[4] != "IDENTIFIER" and kinds[5] == "R_PAREN")
    )


def _name_of_column(token: Any, columns: Sequence[str]) -> Any:
    """The token as a quoted name; raises UsageError where the table has no such column."""
    from sqlglot import TokenType

    if token.text in columns:
        places = {name: getattr(token, name) for name in ("line", "col", "start", "end")}
        return type(token)(TokenType.IDENTIFIER, token.text, **places)
    if token.token_type not in (TokenType.VAR, TokenType.IDENTIFIER):  # a word of SQL that is no column
        raise refused(token.text, expected=f"only comparisons of columns, such as {EXAMPLE}")
    near = nearest(token.text, columns)
    mend = f'did you mean "{near}"?' if near is not None else None
    if token.token_type is TokenType.IDENTIFIER and near is None:
        mend = f"text stands in single quotes: '{token.text}'"
    shown = ", ".join(columns[:20]) + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")
    raise refused(f'"{token.text}"', expected=f"columns of the index ({shown})", mend=mend)


def _require_shallow(tree: Any) -> None:
    """See that reading the tree cannot run out of stack or of time; raises UsageError.

    A chain of ANDs or of ORs hangs from its first member, so it is as deep as it is long; it counts as one step.
    """
    from sqlglot import exp

    comparisons, waiting = 0, [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > 2 * DEEPEST:
            raise _too_deep()
        comparisons += isinstance(node, exp.Predicate)
        for child in node.iter_expressions():
            is_chain = isinstance(node, exp.And | exp.Or) and type(child) is type(node)
            waiting.append((child, depth + (not is_chain)))
    if comparisons > MOST_COMPARISONS:
        raise refused(f"{comparisons:,} comparisons", expected=f"at most {MOST_COMPARISONS}, or a list behind IN")


def _too_deep() -> UsageError:
    return refused("more", expected=f"conditions at most {DEEPEST} deep within each other")
