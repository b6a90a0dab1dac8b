"""The faults that a takeover must survive, one test a case, with its number."""
