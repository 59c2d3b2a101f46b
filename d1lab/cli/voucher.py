"""Commands for voucher tests: plan, assign, show, result, drop."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from d1lab.cli import completion
from d1lab.cli.output import (
    DatabaseOption,
    DryRunOption,
    JsonOption,
    echo_err,
    print_json,
    print_rows,
)
from d1lab.config import Settings, load_settings
from d1lab.counting import counted
from d1lab.errors import InputError

if TYPE_CHECKING:
    from d1lab.analyses.customers.voucher_power import VoucherPower
    from d1lab.lab import Lab
    from d1lab.ops.vouchers import AssignedVoucher

app = typer.Typer(
    help="Test a voucher on a random half of the overdue customers.", no_args_is_help=True
)

NameArgument = Annotated[str, typer.Argument(help="Name of the test, such as winback-june.")]
ShopOption = Annotated[
    str | None,
    typer.Option(
        help="Shop; may be omitted if there is only one.", autocompletion=completion.shops
    ),
]
WindowOption = Annotated[
    int, typer.Option(help="Days in which purchases count, from the day of sending.")
]
CsvOption = Annotated[
    Path | None,
    typer.Option("--csv", help="Write the customers of both halves to this folder, as CSV."),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(help="Last day of the data, YYYY-MM-DD. Default: the last complete day."),
]


@app.command(epilog="Example: d1lab voucher plan --shop harbor --lift 50%")
def plan(
    shop: ShopOption = None,
    lift: Annotated[
        list[str] | None,
        typer.Option(help="Lift of revenue per customer to see, such as 50%. Repeatable."),
    ] = None,
    window_days: WindowOption = 60,
    power: Annotated[float, typer.Option(help="Probability of seeing the lift.")] = 0.8,
    as_of: AsOfOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how many customers a voucher test needs, and whether there are enough."""
    from d1lab.analyses.ab_tests.model import parse_rate
    from d1lab.analyses.customers.voucher_power import LIFTS, sentence
    from d1lab.ops import vouchers

    lab = _lab(database, shop)
    lifts = [parse_rate(text) for text in lift] if lift else LIFTS
    powers = vouchers.plan(
        lab, lab.as_of(as_of=as_of), window_days=window_days, lifts=lifts, wanted=power
    )
    if as_json:
        print_json(powers)
        return
    sys.stdout.write(sentence(powers, window_days) + "\n")
    print_rows(powers[0]._fields, powers)


@app.command(epilog="Example: d1lab voucher assign winback-june --code BACK10 --dry-run")
def assign(
    name: NameArgument,
    code: Annotated[
        str, typer.Option(help="Discount code of the voucher, or the campaign of its codes.")
    ],
    shop: ShopOption = None,
    sent_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day of sending. Default: the day after the data."),
    ] = None,
    window_days: WindowOption = 60,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Seed of the draw. Default: from the names of shop and test.",
            min=0,
            max=2**53 - 1,
        ),
    ] = None,
    as_of: AsOfOption = None,
    csv: CsvOption = None,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose which overdue customers get the voucher: a random half. The others are held out.

    A test is assigned once: the same command shows it again. Customers of another test that is not
    over are left out.

    Exit codes: 0 assigned, 2 invalid input, or too few customers to learn anything.
    """
    from d1lab.ops import vouchers

    lab = _lab(database, shop)
    until = lab.as_of(as_of=as_of)
    test = vouchers.new_test(
        str(lab.shop),
        name,
        code,
        until,
        sent_on=sent_on.date() if sent_on else None,
        window_days=window_days,
        seed=seed,
    )
    made = _assigned(load_settings(), database, lab, test, dry_run=dry_run)
    powers = vouchers.plan(lab, until, window_days=window_days, available=len(made.customers))
    paths = vouchers.save_halves(made, csv) if csv and not dry_run else []
    if as_json:
        print_json(_fields(made, paths) | {"power": powers, "dry_run": dry_run})
        return
    _print(made, paths, powers)
    if dry_run:
        echo_err("voucher: nothing was written (dry run)")
    elif not made.is_new:
        echo_err(f"voucher: {name} was already assigned on {made.test.chosen_on}")


def _assigned(
    settings: Settings, database: str | None, lab: Lab, test: Any, *, dry_run: bool
) -> AssignedVoucher:
    """Assign a test, and make the next pull read it."""
    from d1lab.catalog import VOUCHER_CUSTOMERS, VOUCHERS
    from d1lab.d1.connect import connect
    from d1lab.ops.vouchers import assign_voucher
    from d1lab.warehouse import noted

    with closing(connect(settings, database, write=not dry_run)) as db:
        if dry_run:
            return assign_voucher(db, lab, test, dry_run=True)
        with noted(db, settings.folder(database), (VOUCHERS, VOUCHER_CUSTOMERS)):
            return assign_voucher(db, lab, test)


@app.command(epilog="Example: d1lab voucher show winback-june --csv vouchers")
def show(
    name: Annotated[str | None, typer.Argument(help="Name of a test. Default: list all.")] = None,
    shop: ShopOption = None,
    csv: CsvOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the voucher tests of a shop, or both halves of one, as they were assigned."""
    from d1lab.d1.connect import connect
    from d1lab.ops import vouchers

    if csv and not name:
        raise InputError("--csv requires the name of a test: d1lab voucher show NAME --csv FOLDER")
    lab = _lab(database, shop)
    with closing(connect(load_settings(), database)) as db:
        if name is None:
            tests = vouchers.voucher_tests(db, str(lab.shop))
            print_rows(vouchers.VoucherTest._fields, tests, as_json=as_json)
            return
        found = vouchers.voucher(db, str(lab.shop), name)
    paths = vouchers.save_halves(found, csv) if csv else []
    if as_json:
        print_json(_fields(found, paths))
    else:
        _print(found, paths)


@app.command(epilog="Example: d1lab voucher result --shop harbor --json")
def result(
    name: Annotated[str | None, typer.Argument(help="Name of a test. Default: all.")] = None,
    shop: ShopOption = None,
    as_of: AsOfOption = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each voucher changed, from the warehouse. The customer report shows the same."""
    from d1lab.analyses.customers.voucher_outcome import outcomes
    from d1lab.analyses.customers.voucher_report import told
    from d1lab.errors import UnknownName

    lab = _lab(database, shop)
    until = lab.as_of(as_of=as_of)
    found = outcomes(lab.metric("voucher_outcomes", until=until), until)
    chosen = [one for one in found if name in (None, one.voucher)]
    if name and not chosen:
        known = [one.voucher for one in found]
        raise UnknownName("voucher test", name, known, "the warehouse (d1lab pull reads new ones)")
    if as_json:
        print_json(chosen)
        return
    for one in chosen:
        sys.stdout.write(told(one, lab.currency) + "\n")
    if not chosen:
        echo_err("voucher: no test yet. To start one: d1lab voucher assign NAME --code CODE")


@app.command(epilog="Example: d1lab voucher drop winback-june --dry-run")
def drop(
    name: NameArgument,
    shop: ShopOption = None,
    database: DatabaseOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a voucher test, such as one that was never sent. Asks nothing more."""
    from d1lab.catalog import VOUCHER_CUSTOMERS, VOUCHERS
    from d1lab.d1.connect import connect
    from d1lab.ops.vouchers import drop_voucher
    from d1lab.warehouse import noted

    settings, lab = load_settings(), _lab(database, shop)
    tables = VOUCHERS, VOUCHER_CUSTOMERS
    with (
        closing(connect(settings, database, write=not dry_run)) as db,
        noted(db, settings.folder(database), tables),
    ):
        found = drop_voucher(db, str(lab.shop), name, dry_run=dry_run)
    if as_json:
        print_json(_fields(found, []) | {"dry_run": dry_run})
        return
    done = "would be deleted (dry run)" if dry_run else "deleted"
    echo_err(f"voucher: {name} with {counted(len(found.customers), 'customer')} {done}")


def _lab(database: str | None, shop: str | None) -> Lab:
    from d1lab.lab import open as open_lab

    lab = open_lab(database, shop=shop)
    if not lab.shop:
        raise InputError(f"d1lab voucher requires --shop: one of {', '.join(lab.shops)}")
    return lab


def _fields(found: AssignedVoucher, paths: Sequence[Path]) -> dict[str, Any]:
    """Return the fields of a test for JSON."""
    customers: Any = found.customers.to_dict("records")
    return {
        **found.test._asdict(),
        "last_day": found.test.last_day,
        "is_new": found.is_new,
        "sent": len(found.half(is_sent=True)),
        "held_out": len(found.half(is_sent=False)),
        "customers": customers,
        "files": [str(path) for path in paths],
    }


def _print(
    found: AssignedVoucher, paths: Sequence[Path], powers: Sequence[VoucherPower] = ()
) -> None:
    """Print the halves by stratum, and what to do."""
    from d1lab.analyses.customers.voucher_power import sentence

    test, by_stratum = found.test, found.customers.groupby("stratum")
    rows = [
        (stratum, int(each["is_sent"].sum()), int((~each["is_sent"]).sum()),
         *(round(float(each.loc[each["is_sent"] == is_sent, "pace"].mean()), 2)
           for is_sent in (True, False)))
        for stratum, each in by_stratum
    ]  # fmt: skip
    print_rows(("stratum", "sent", "held_out", "mean_pace_sent", "mean_pace_held_out"), rows)
    sent = counted(len(found.half(is_sent=True)), "customer")
    echo_err(
        f"voucher: send {test.discount_code} to {sent} on {test.sent_on}, and not to the "
        f"{len(found.half(is_sent=False)):,} held out. Purchases until {test.last_day} count"
    )
    if powers:
        echo_err(f"voucher: {sentence(powers, test.window_days)}")
    for path in paths:
        echo_err(f"voucher: wrote {path}")
