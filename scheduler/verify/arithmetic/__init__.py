"""Own small arithmetic: windows, sliding sums, periods, prices. None of it is shared with what sends."""
