"""Tests of what each paper alone promises."""
