"""Looking inside: hooks on taps, one streaming pass for many reducers, runs with a tap replaced."""
