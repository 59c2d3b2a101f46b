"""Run the campaign: `python -m validation.chaos [--seed 1] [--share 1.0]`."""

from validation.chaos.campaign import main

main()
