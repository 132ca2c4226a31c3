"""A loss by its name: one of ours, or a user's own `module:function`, tried out before anything is trained.

The names of its parameters say which tuples it takes:

    def my_loss(distance, different, *, margin)                        pairs
    def my_loss(positive, negative, *, margin)                         triplets
    def my_loss(positive, negative, negatives, *, margin, margin2)     quartets, second negative of a third class
    def my_loss(positive, negative, negative2, *, margin)              quartets, of the first negative's class

It gets tensors that broadcast together, float32 with gradients (`different`: bool), and returns one value per tuple,
zero where nothing is left to learn: the batch's loss is the mean over those above zero.

Decision a reader would question: it is called once on small tensors when its name is resolved. A wrong shape or a
detached result is then one line before the images are read, and not a traceback, or a network that never learns.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from artifact.errors import UsageError
from artifact.losses import LOSSES, TOWER_LOSSES, Loss
from artifact.losses.loss import OTHER_CLASS, PAIR, QUARTET, SAME_CLASS, TRIPLET
from artifact.namespace import Array, Namespace
from artifact.nearest import nearest
from trainer.objective.tensors import TENSORS
from trainer.objective.tuples import common_shape
from trainer.user_code import FAILURES, failure, is_user_code, load_user_object

_WHERE = "--loss"

_FORMS: dict[tuple[str, ...], tuple[str, str | None]] = {
    ("distance", "different"): (PAIR, None),
    ("positive", "negative"): (TRIPLET, None),
    ("positive", "negative", "negatives"): (QUARTET, OTHER_CLASS),
    ("positive", "negative", "negative2"): (QUARTET, SAME_CLASS),
}
"""{names of the terms: (form, second negative)}."""


def find_loss(name: str) -> Loss:
    """The loss of a name.

    Args:
        name: a key of artifact.losses.LOSSES, or `module:function`.

    Raises:
        UsageError: an unknown name, or a function that cannot serve as a loss; one line each.
    """
    if name in TOWER_LOSSES:
        return TOWER_LOSSES[name]
    if not is_user_code(name):
        near = nearest(name, LOSSES)
        mend = f"did you mean {near}?" if near is not None else None
        expected = f"one of {', '.join(LOSSES)}, or module:function"
        raise UsageError("loss", expected=expected, got=repr(name), where=_WHERE, mend=mend)
    return own_loss(load_user_object(name, what="loss", where=_WHERE), name=name)


def own_loss(function: Callable[..., Any], *, name: str) -> Loss:
    """A user's function as a loss, its signature read and its result tried; raises UsageError.

    Its default margins are those of our own hinges of that form, its default miner `all`.
    """
    form, second_negative, margin_names = _read_signature(function, name)

    def formula(xp: Namespace, *terms: Array, **margins: float) -> Array:  # it calls torch itself
        values = function(*terms, **margins)
        _check_values(values, common_shape(terms), name=name)
        return values

    loss = Loss(
        name=name,
        formula=formula,
        form=form,
        margin_names=margin_names,
        unit_margin=1.0 if form == PAIR else 0.2,
        free_margin=1.0,
        second_negative=second_negative,
    )
    _try_out(loss, name)
    return loss


def _check_values(values: Any, shape: torch.Size, *, name: str) -> None:
    """Refuse a loss's result that is not one value per tuple; raises UsageError."""
    if not isinstance(values, Tensor):
        got = type(values).__name__
    elif values.shape != shape:
        got = f"shape {list(values.shape)}"
    elif not values.is_floating_point():
        got = str(values.dtype)
    else:
        return
    expected = f"one float per tuple, shape {list(shape)}"
    raise UsageError(f"result of the loss {name}", expected=expected, got=got, where=_WHERE)


def _read_signature(function: Callable[..., Any], name: str) -> tuple[str, str | None, tuple[str, ...]]:
    """Form, second negative, and the names of the margins."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        raise _signature_error(name, "a function without a readable signature") from None
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    got = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    needed = [p for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    terms = tuple(p.name for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    terms = tuple(term for term in terms if term not in ("margin", "margin2"))
    if terms not in _FORMS:
        raise _signature_error(name, got)
    form, second_negative = _FORMS[terms]
    takes = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
    margin_names = tuple(margin for margin in ("margin", "margin2") if margin in takes)
    unknown = {p.name for p in needed} - set(terms) - set(margin_names)
    if unknown or ("margin2" in margin_names and form != QUARTET):
        raise _signature_error(name, got)
    return form, second_negative, margin_names


def _signature_error(name: str, got: str) -> UsageError:
    known = ", ".join(f"({', '.join(terms)}, *, margin)" for terms in _FORMS)
    return UsageError(
        f"parameters of the loss {name}", expected=f"one of {known}; quartets may take margin2", got=got, where=_WHERE
    )


def _try_out(loss: Loss, name: str) -> None:
    """Call it on 2 x 3 x 4 tuples laid out as a batch's are, and differentiate."""
    first = torch.linspace(0.1, 1.5, 6).reshape(2, 3, 1).requires_grad_()
    other = torch.linspace(0.2, 1.7, 8).reshape(2, 1, 4).requires_grad_()
    terms: tuple[Tensor, ...] = (first, other)
    if loss.form == PAIR:
        terms = (first, torch.tensor([True, False, False, True, False, True]).reshape(2, 3, 1))
    elif loss.form == QUARTET:
        terms = (first, other, other.flip(2))
    what = f"loss {name}"
    try:
        values = loss.formula(TENSORS, *terms, **loss.margins(margin=1.0, margin2=0.5))
    except UsageError:  # its result is no loss
        raise
    except FAILURES as error:
        shapes = ", ".join(str(list(term.shape)) for term in terms)
        expected = f"a value per tuple from tensors of shape {shapes}, which broadcast"
        raise UsageError(what, expected=expected, got=failure(error), where=_WHERE) from error
    if not values.requires_grad:
        mend = "compute it with torch, without .detach(), .item() or NumPy"
        raise UsageError(
            what, expected="a result that can be differentiated", got="one without gradients", where=_WHERE, mend=mend
        )
    leaves = [term for term in terms if term.is_leaf and term.requires_grad]
    gradients = torch.autograd.grad(values.sum(), leaves, allow_unused=True)
    finite = [bool(torch.isfinite(gradient).all()) for gradient in gradients if gradient is not None]
    if not (finite and all(finite) and bool(torch.isfinite(values).all())):
        got = "NaN or infinity" if finite else "none"
        raise UsageError(what, expected="finite values and gradients", got=got, where=_WHERE)
