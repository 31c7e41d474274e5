"""Which fields a model relates, scenario by scenario, and where scenarios or runs differ."""
