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
notification URLs D1LAB_NOTIFY_URL (changes) and D1LAB_NOTIFY_ERRORS_URL (failures), D1LAB_SALT, the
key for hashed email addresses, and the gateway's D1LAB_GATEWAY_READER and D1LAB_GATEWAY_WRITER.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from d1lab.config_sections import (
    DatabaseSettings,
    FleetSettings,
    NotifySettings,
    PullSettings,
    PushSettings,
    RunSettings,
)
from d1lab.errors import InputError, UnknownName
from d1lab.secrets import secret

FILE_NAME = "d1lab.toml"
STALE_AFTER = timedelta(hours=36)  # older pulls are stale: a daily pull was missed
DEMO_URL = "sqlite:data/demo/d1.sqlite"
DEMO_TIMEZONE = "America/New_York"  # of the demo shops


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

    gateway_reader: SecretStr | None = Field(
        default=None, description="The gateway's READER_SECRET, for `gateway+https://` URLs."
    )
    gateway_writer: SecretStr | None = Field(
        default=None, description="The gateway's WRITER_SECRET, for commands that write to D1."
    )

    pull: PullSettings = Field(
        default=PullSettings(), description="How often a pull rereads tables."
    )
    push: PushSettings = Field(
        default=PushSettings(), description="App tables that reports can write to."
    )
    memory: str | None = Field(
        default=None,
        pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$",
        description="Limit on the memory of queries, such as `4GB`, shared by the reports that run "
        "at once. Beyond it, DuckDB uses the disk. Default: 80% of the machine for each report.",
    )
    run: RunSettings = Field(
        default=RunSettings(), description="What the SQL of a run may read besides the warehouse."
    )
    fleet: FleetSettings = Field(
        default=FleetSettings(), description="How `d1lab fleet` runs many databases."
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

    def share_memory(self, parts: int) -> Settings:
        """Return the settings of one of several reports that run at once."""
        if self.memory is None:
            return self
        return self.model_copy(update={"memory": _divided(self.memory, parts)})

    def folder(self, database: str | None = None) -> Path:
        """Return data/<database>, the folder of the warehouse and the runs of one database."""
        return self.data_dir / self.resolve(database)[0]


def _divided(size: str, parts: int) -> str:
    """Return a part of a size, in kibibytes.

    >>> _divided("4GB", 2), _divided("1.5 GiB", 3)
    ('1953125KiB', '524288KiB')
    """
    number, unit = size.rstrip("B").rstrip("i").strip()[:-1], size.rstrip("B")
    base = 1024 if unit.endswith("i") else 1000
    power = "KMGT".index(unit.rstrip("i")[-1]) + 1
    return f"{int(float(number) * base**power / 1024 / parts)}KiB"


def _secrets() -> dict[str, Any]:
    """Return the secrets that are set, by the first matching variable, and tokens from files."""
    found = {
        "D1LAB_READ_TOKEN": _token("D1LAB_READ_TOKEN"),
        "D1LAB_WRITE_TOKEN": _token("D1LAB_WRITE_TOKEN"),
        "notify_url": secret("D1LAB_NOTIFY_URL"),
        "notify_errors_url": secret("D1LAB_NOTIFY_ERRORS_URL"),
        "salt": secret("D1LAB_SALT"),
        "gateway_reader": secret("D1LAB_GATEWAY_READER"),
        "gateway_writer": secret("D1LAB_GATEWAY_WRITER"),
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
