"""Proof of the alignment: seeded pairs of meters, aligned by the product, judged by a checker that shares none of its maths."""
