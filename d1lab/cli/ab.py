"""The A/B calculator: `d1lab ab A B` for a verdict, `d1lab ab plan` for days and visitors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from d1lab.cli import completion
from d1lab.cli.output import JsonOption, print_json, print_rows
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.analyses.ab_tests.decision import AbResult

app = typer.Typer()

OthersArgument = Annotated[
    list[str] | None, typer.Argument(help="Variants C, D, ..., each compared with A.")
]
ShareOption = Annotated[
    float | None,
    typer.Option(
        help="B's planned share of visitors, declared before the test started; with more variants, "
        "the share of each but A."
    ),
]
LooksOption = Annotated[
    int | None, typer.Option(help="Number of planned looks (group-sequential test).", min=2)
]
ShopOption = Annotated[
    str | None, typer.Option(help="With plan: shop of the test.", autocompletion=completion.shops)
]


@app.command(epilog="Example: d1lab ab 500/10000 560/10000 --json")
def ab(
    a: Annotated[
        str,
        typer.Argument(
            help=(
                'Variant A as conversions/visitors or conversions; "plan" to plan the next test '
                'of a shop; "size" to compute a sample size from two rates.'
            )
        ),
    ],
    b: Annotated[str | None, typer.Argument(help="Variant B, in the same format.")] = None,
    others: OthersArgument = None,
    share_b: ShareOption = None,
    always_valid: Annotated[
        bool, typer.Option("--always-valid", help="The test was monitored while it ran.")
    ] = False,
    looks: LooksOption = None,
    look: Annotated[int | None, typer.Option(help="Number of the current look.", min=1)] = None,
    alpha: Annotated[float, typer.Option(help="Significance level (two-sided).")] = 0.05,
    base: Annotated[
        str | None,
        typer.Option(help="With size: conversion rate of A, such as 5%. With plan: of the shop."),
    ] = None,
    to: Annotated[str | None, typer.Option(help="With size: rate to detect, such as 5.5%.")] = None,
    power: Annotated[float, typer.Option(help="With size and plan: statistical power.")] = 0.8,
    shop: ShopOption = None,
    lift: Annotated[
        list[str] | None, typer.Option(help="With plan: lift to detect, such as 10%. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate an A/B test from its totals, plan the next one, or compute a sample size.

    Assumes a finished test that is evaluated once, unless --always-valid or --looks is set.
    """
    if a == "size":
        _print_size(base, to, power=power, alpha=alpha, share_b=share_b, as_json=as_json)
        return
    if a == "plan":
        _print_plan(shop, lift, base, (power, alpha, share_b), as_json=as_json)
        return
    if b is None:
        raise InputError("variant B is missing. Example: d1lab ab 500/10000 560/10000")
    if others:
        _print_several(a, [b, *others], share_b, alpha, always_valid, looks, as_json=as_json)
        return
    from d1lab.analyses.ab_tests.decision import calculate

    result = calculate(
        a,
        b,
        share_b=share_b,
        always_valid=always_valid,
        alpha=alpha,
        look=look,
        planned_looks=looks,
    )
    _print_decision(result, f"{a} {b}", as_json=as_json)


def _print_decision(result: AbResult, asked: str, *, as_json: bool) -> None:
    from d1lab.analyses.ab_tests.decision import as_json as plain
    from d1lab.analyses.ab_tests.sentences import sentence

    fields = plain(result)
    if as_json:
        print_json(fields)
    if result.status == "invalid_input":
        raise InputError(f"d1lab ab {asked}: {result.reason}")
    if not as_json:
        sys.stdout.write(sentence(result) + "\n")
        rows = [(name, value) for name, value in fields.items() if _is_printed(value)]
        print_rows(("field", "value"), rows)


def _print_several(
    a: str,
    others: list[str],
    share: float | None,
    alpha: float,
    always_valid: bool,
    looks: int | None,
    *,
    as_json: bool,
) -> None:
    """Print the comparison of every variant with A, adjusted for all of them."""
    if looks:
        raise InputError("--looks requires two variants: with more, a test is evaluated once")
    from d1lab.analyses.ab_tests.arms import calculate_arms, letter, named
    from d1lab.analyses.ab_tests.decision import as_json as plain
    from d1lab.analyses.ab_tests.sentences import sentence

    found = calculate_arms(a, others, share=share, alpha=alpha, always_valid=always_valid)
    if as_json:
        print_json(plain(found))
    if found.result.status == "invalid_input":
        raise InputError(f"d1lab ab {' '.join([a, *others])}: {found.result.reason}")
    if as_json:
        return
    sys.stdout.write(named(sentence(found.result), found.leading) + "\n")
    shown = ("status", "p_value", "ratio", "ratio_low", "ratio_high", "difference")
    rows = [
        (letter(arm.arm), arm.correction, *(getattr(arm.result, name) for name in shown))
        for arm in found.arms
    ]
    print_rows(("variant", "correction", *shown), rows)


def _is_printed(value: object) -> bool:
    return value is not None and not isinstance(value, list | dict)


def _print_plan(
    shop: str | None,
    lifts: list[str] | None,
    base: str | None,
    wanted: tuple[float, float, float | None],
    *,
    as_json: bool,
) -> None:
    """Print the size of a shop's next test, by metric, lift, and rule."""
    from d1lab.analyses.ab_tests import planner
    from d1lab.analyses.ab_tests.model import parse_rate
    from d1lab.lab import open as open_lab

    lab = open_lab(shop=shop)
    if not lab.shop:
        raise InputError(f"d1lab ab plan requires --shop: one of {', '.join(lab.shops)}")
    [row] = lab.metric("ab_test_traffic", until=lab.as_of()).to_dict("records")
    rate = None if base is None else parse_rate(base)
    known = {str(name): _known(value) for name, value in row.items()}
    traffic = planner.traffic(known, rate=rate)
    power, alpha, share_b = wanted
    plans = planner.plan(
        traffic,
        [parse_rate(lift) for lift in lifts] if lifts else planner.LIFTS,
        power_wanted=power,
        alpha=alpha,
        share_b=0.5 if share_b is None else share_b,
    )
    if as_json:
        print_json(plans)
        return
    sys.stdout.write(planner.sentence(plans) + "\n")
    print_rows(planner.SizedTest._fields, plans)


def _known(value: object) -> object:
    """Convert a frame's missing values to None."""
    return None if value != value else value


def _print_size(
    base: str | None,
    to: str | None,
    *,
    power: float,
    alpha: float,
    share_b: float | None,
    as_json: bool,
) -> None:
    from d1lab.analyses.ab_tests.model import parse_rate
    from d1lab.stats.power import sample_size

    if base is None or to is None:
        raise InputError(
            "d1lab ab size requires --base and --to. Example: d1lab ab size --base 5% --to 5.5%"
        )
    share = 0.5 if share_b is None else share_b
    size = sample_size(parse_rate(base), parse_rate(to), power=power, alpha=alpha, share_b=share)
    if as_json:
        print_json(size)
        return
    variants = [("a", size.visitors_a, size.exact_a), ("b", size.visitors_b, size.exact_b)]
    print_rows(("variant", "visitors", "exact"), variants)
