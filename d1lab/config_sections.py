"""The sections of d1lab.toml: databases, notifications, pulls, pushes, and runs."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

Currency = Annotated[str, Field(pattern=r"^([A-Z]{3})?$")]
"""A currency code, such as EUR; empty if not set."""


def _known_zone(name: str) -> str:
    """Return a time zone's name if the zone exists.

    >>> _known_zone("Europe/Berlin")
    'Europe/Berlin'
    """
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = get_close_matches(name, available_timezones(), 3, 0.5)
        hint = f". Did you mean {' or '.join(near)}?" if near else "."
        raise ValueError(
            f"there is no time zone {name!r:.60}{hint} Use an IANA name, such as Europe/Berlin"
        ) from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""A time zone's IANA name, such as Europe/Berlin; empty if not set."""


class DatabaseSettings(BaseModel):
    """One database: its URL, Cloudflare plan, currencies, and time zones."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        description="URL of the database: `d1://ACCOUNT_ID/DATABASE_ID`, `sqlite:FILE`, "
        "`dump:FILE`, `wrangler+http://HOST:PORT/DATABASE_ID`, or `gateway+https://HOST/DATABASE`."
    )
    fallback: str = Field(
        default="",
        description="URL to use if the gateway does not answer: `d1://...`. Default: none.",
    )
    plan: Literal["free", "paid"] = Field(
        default="paid", description="The Cloudflare plan, which sets prices and daily limits."
    )
    currency: Currency | dict[str, Currency] = Field(
        default="",
        description='The currency of amounts, such as `"EUR"`; by shop: `{harbor = "EUR"}`.',
    )
    timezone: TimeZone | dict[str, TimeZone] = Field(
        default="",
        description="The time zone of the shop's days, an IANA name such as "
        '`"America/New_York"`; by shop: `{harbor = "Europe/Berlin"}`. Default: UTC.',
    )
    shop_column: str = Field(
        default="shop",
        description="The column of the app's own tables that names a shop, such as `store_id`.",
    )
    uses_start: Literal[0, 1] | None = Field(
        default=None,
        description="The value that the app's upsert writes to `times_used` at the first use of a "
        "discount for a SKU. Default: detected (0 if any row has a discount but no use).",
    )

    def currency_of(self, shop: str | None) -> str:
        """Return a shop's currency; empty if not set."""
        named = self.currency
        return named if isinstance(named, str) else named.get(shop or "", "")

    @property
    def zones(self) -> dict[str, str]:
        """Return time zones by shop; '' is the default of other shops."""
        named = {"": self.timezone} if isinstance(self.timezone, str) else self.timezone
        return {shop: zone for shop, zone in named.items() if zone}

    def timezone_of(self, shop: str) -> str:
        """Return a shop's time zone; empty if not set."""
        return self.zones.get(shop) or self.zones.get("", "")


class NotifySettings(BaseModel):
    """Conditions and content of `d1lab send`. The URLs come from the environment."""

    model_config = ConfigDict(extra="forbid")

    alert: tuple[str, ...] = Field(
        default=(),
        description='Conditions on key figures, such as `"products_short > 20"`; one or a list.',
    )
    attach_page: bool = Field(
        default=False, description="Attach the static version of the page, for email."
    )
    pages_url: str = Field(
        default="",
        description="The URL of the published pages, for links in messages.",
    )

    @field_validator("alert", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class PullSettings(BaseModel):
    """How often a pull rereads tables."""

    model_config = ConfigDict(extra="forbid")

    counters: Literal["daily", "always"] = Field(
        default="daily",
        description="When a pull rereads the app's counters: `daily` (the first pull of each UTC "
        "day) or `always` (every pull). Every pull reads new order lines.",
    )
    max_age: float | None = Field(
        default=None,
        ge=0,
        description="Age in seconds up to which data is recent enough, such as `300`: then `d1lab "
        "pull` and `d1lab run` ask D1 nothing. `--max-age` takes precedence. Default: none.",
    )


class PushTable(BaseModel):
    """An app's table that reports can write results to."""

    model_config = ConfigDict(extra="forbid")

    key: list[str] = Field(
        min_length=1, description="The columns that name a row; they need a UNIQUE index."
    )
    columns: list[str] = Field(
        min_length=1, description="The columns that d1lab writes. It writes no other."
    )
    insert: bool | None = Field(
        default=None,
        description="Whether rows that D1 does not have are inserted. Default: only into a table "
        "that has no other columns.",
    )

    @model_validator(mode="after")
    def _separate(self) -> PushTable:
        if both := sorted({*self.key} & {*self.columns}):
            raise ValueError(f"{', '.join(both)}: a column is either in the key or written")
        return self


class PushSettings(BaseModel):
    """What a run writes to D1 in addition to its staged results in d1lab's own tables."""

    model_config = ConfigDict(extra="forbid")

    actions: bool = Field(
        default=False,
        description="Whether runs also write their actions to `d1lab_actions`, for apps that show "
        "them. Without it, `d1lab push RUN --actions` does.",
    )

    tables: dict[str, PushTable] = Field(
        default={},
        description="Tables of the app's by name, each with `key` and `columns`: "
        '`[push.tables.scores] key = ["id"], columns = ["score"]`.',
    )


class RunSettings(BaseModel):
    """Files that the SQL of a run can read in addition to the warehouse."""

    model_config = ConfigDict(extra="forbid")

    read_folders: tuple[Path, ...] = Field(
        default=(),
        description="Folders outside the project whose files metrics and `lab.sql` may read in a "
        'run; `["/"]` allows all. In JupyterLab nothing is restricted.',
    )


class FleetSettings(BaseModel):
    """How `d1lab fleet` runs many databases."""

    model_config = ConfigDict(extra="forbid")

    target: str = Field(
        default="",
        description="Folder or URL of the fleet's warehouses, pages, and marts, such as "
        "`s3://bucket/fleet`. Workers on other machines need one. Default: `data/fleet.d` and "
        "`reports/fleet.d`.",
    )
    keep_days: int = Field(
        default=0,
        ge=0,
        description="Days after which a run of a report is deleted when its database is run "
        "again, except one per week (26) and month (24), as by `d1lab prune`. 0 keeps all.",
    )
    requests: int = Field(
        default=1_150,
        ge=50,
        le=1_200,
        description="Requests to Cloudflare's API in any 5 minutes, over all workers. Cloudflare "
        "allows a user 1,200, including other tools.",
    )
