"""The edge to payment providers: one module each, which speaks a provider's own words and nothing else does."""
