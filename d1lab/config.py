"""Settings: the only reader of the environment and of d1lab.toml.

A project is a folder with `notebooks/`, `data/`, and `reports/`; its optional `d1lab.toml` lists
databases. Without the file, only the demo database is defined:

    database = "live"                        # default of every command

    [databases.live]
    url = "d1://ACCOUNT_ID/DATABASE_ID"      # tokens: see below
    plan = "free"                            # sets prices and daily limits
    currency = "EUR"                         # by shop: {harbor = "EUR", village = "USD"}
    timezone = "Europe/Berlin"               # of days; by shop as above

    [campaigns]                              # codes counted as one campaign
    welcome = "WELCOME*"

    [push.tables.product_scores]             # an app's table that reports can write to
    key = ["product_id"]
    columns = ["score"]

    [notify]                                 # conditions of `d1lab send`
    alert = "products_short > 20"

Secrets come from the environment only: the tokens D1LAB_READ_TOKEN and D1LAB_WRITE_TOKEN (default:
CLOUDFLARE_API_TOKEN) or the files that D1LAB_READ_TOKEN_FILE and D1LAB_WRITE_TOKEN_FILE name, the
notification URLs D1LAB_NOTIFY_URL (changes) and D1LAB_NOTIFY_ERRORS_URL (failures), and D1LAB_SALT,
the key for hashed email addresses.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from d1lab.errors import InputError, UnknownName
from d1lab.secrets import secret

FILE_NAME = "d1lab.toml"
STALE_AFTER = timedelta(hours=36)  # older pulls are stale: a daily pull was missed
DEMO_URL = "sqlite:data/demo/d1.sqlite"
DEMO_TIMEZONE = "America/New_York"  # of the demo shops

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
        hint = f". Did you mean {' or '.join(near)}?" if near else ""
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
        "`dump:FILE`, or `wrangler+http://HOST:PORT/DATABASE_ID`."
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
    """App tables that reports can write results to, in addition to d1lab's own."""

    model_config = ConfigDict(extra="forbid")

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


class Settings(BaseSettings):
    """All settings, from arguments, the environment (D1LAB_*), and d1lab.toml, in this order.

    Relative paths, including those in `sqlite:` and `dump:` URLs, are relative to `root`.
    """

    model_config = SettingsConfigDict(env_prefix="D1LAB_", extra="forbid", populate_by_name=True)

    root: Path = Field(
        default_factory=lambda: find_root(Path.cwd()),
        description="The project's folder. Default: the nearest parent folder with `d1lab.toml` or "
        "`notebooks/`, otherwise the current folder.",
    )
    database: str = Field(default="demo", description="The default database of all commands.")
    databases: dict[str, DatabaseSettings] = Field(default={}, description="The databases by name.")
    data_dir: Path = Field(
        default=Path("data"), description="Folder of warehouses, runs, and the ledger."
    )
    reports_dir: Path = Field(
        default=Path("reports"), description="Folder of the pages and the index."
    )
    notebooks_dir: Path = Field(
        default=Path("notebooks"), description="Folder of the reports' notebooks."
    )
    run_dir: Path | None = Field(
        default=None,
        description="Folder where a run stages its results. d1lab sets it for kernels.",
    )
    read_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("D1LAB_READ_TOKEN", "CLOUDFLARE_API_TOKEN"),
        description="API token with permission D1:Read. `D1LAB_READ_TOKEN_FILE` names a file with "
        "it instead.",
    )
    write_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("D1LAB_WRITE_TOKEN", "CLOUDFLARE_API_TOKEN"),
        description="API token with permission D1:Edit, for commands that write to D1. "
        "`D1LAB_WRITE_TOKEN_FILE` names a file with it instead.",
    )

    pull: PullSettings = Field(
        default=PullSettings(), description="How often a pull rereads tables."
    )
    push: PushSettings = Field(
        default=PushSettings(), description="App tables that reports can write to."
    )
    run: RunSettings = Field(
        default=RunSettings(), description="What the SQL of a run may read besides the warehouse."
    )
    notify: NotifySettings = Field(
        default=NotifySettings(), description="Conditions and content of `d1lab send`."
    )
    notify_url: SecretStr | None = Field(
        default=None,
        description="Apprise URL for messages. Separate several with spaces.",
    )
    notify_errors_url: SecretStr | None = Field(
        default=None,
        description="Apprise URL for failures and stale data. Default: `D1LAB_NOTIFY_URL`.",
    )
    campaigns: dict[str, str | list[str]] = Field(
        {},
        description='Discount codes that count as one campaign: `welcome = "WELCOME*"`. '
        "Families of generated codes are detected automatically.",
    )
    lineage: str | None = Field(
        default=None,
        description="File or HTTP address that receives OpenLineage events of runs. Default: none.",
    )
    salt: SecretStr | None = Field(
        default=None,
        description="Key of hashed email addresses, 16 characters or more. Default: `data/salt`, "
        "created once.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, in order of precedence."""
        root = Path(os.environ.get("D1LAB_ROOT") or find_root(Path.cwd()))
        toml = TomlConfigSettingsSource(settings_cls, root / FILE_NAME)
        secrets = InitSettingsSource(settings_cls, _secrets())
        return init_settings, secrets, env_settings, toml

    def model_post_init(self, _context: object) -> None:
        """Make paths absolute, and add the demo database."""
        self.root = self.root.resolve()
        for name in ("data_dir", "reports_dir", "notebooks_dir"):
            setattr(self, name, self.root / getattr(self, name))
        demo = DatabaseSettings(url=DEMO_URL, currency="USD", timezone=DEMO_TIMEZONE)
        self.databases.setdefault("demo", demo)

    def resolve(self, database: str | None = None) -> tuple[str, DatabaseSettings]:
        """Return the name and the settings of a database; the default one for None.

        Raises:
            UnknownName: d1lab.toml has no such database.
        """
        name = database or self.database
        if name not in self.databases:
            raise UnknownName("database", name, self.databases, FILE_NAME)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise InputError(
                f"invalid database name {name!r}. Use only letters, digits, '-', and '_'."
            )
        return name, self.databases[name]

    def folder(self, database: str | None = None) -> Path:
        """Return data/<database>, the folder of the warehouse and the runs of one database."""
        return self.data_dir / self.resolve(database)[0]


def _secrets() -> dict[str, Any]:
    """Return the secrets that are set, by the first matching variable, and tokens from files."""
    found = {
        "D1LAB_READ_TOKEN": _token("D1LAB_READ_TOKEN"),
        "D1LAB_WRITE_TOKEN": _token("D1LAB_WRITE_TOKEN"),
        "notify_url": secret("D1LAB_NOTIFY_URL"),
        "notify_errors_url": secret("D1LAB_NOTIFY_ERRORS_URL"),
        "salt": secret("D1LAB_SALT"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _token(variable: str) -> str | None:
    """Return a token from its variable, the file in `<variable>_FILE`, or Cloudflare's variable."""
    if own := secret(variable):
        return own
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return secret("CLOUDFLARE_API_TOKEN")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise InputError(f"{variable}_FILE: cannot read {path}: {why}") from None


def find_root(start: Path) -> Path:
    """Return the nearest parent folder of `start` with d1lab.toml or notebooks/; else `start`."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file() or (folder / "notebooks").is_dir():
            return folder
    return start


def load_settings(**overrides: object) -> Settings:
    """Load the settings.

    Raises:
        InputError: A setting is unknown or has an invalid type. The message omits its value.
    """
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise InputError(
            "invalid settings in the environment or d1lab.toml: " + "; ".join(lines)
        ) from None
    except SettingsError as error:
        raise InputError(f"settings (environment): {error}; expected JSON") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{FILE_NAME} is not valid TOML: {error}") from None
