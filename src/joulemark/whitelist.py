"""The flat meter whitelist: empty until the standard asks for it."""
