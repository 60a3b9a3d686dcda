"""The soak runs everything over and over for an hour or a night; see __main__.py."""
