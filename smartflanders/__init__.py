"""The one command people type; the only place where everything meets."""
