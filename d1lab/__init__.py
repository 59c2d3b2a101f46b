"""The analytics workbench beside a Cloudflare D1 database."""

__version__ = "0.1.0"
