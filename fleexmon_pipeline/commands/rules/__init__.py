"""`fleexmon rules`: list, test and backtest rules."""
