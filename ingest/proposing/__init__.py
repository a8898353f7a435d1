"""A source file proposed from a sample: observed, guessed, written down with how sure each line is."""
