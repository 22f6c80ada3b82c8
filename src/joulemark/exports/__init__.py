"""Exports: what a run used, in the formats that billing and cost tools read. Pure: a card goes in, text comes out, nothing is sent."""
