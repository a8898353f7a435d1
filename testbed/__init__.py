"""The judge and the living lab; shares no code with what it judges."""
