"""What the benchmarks share: texts, vectors, timing, tables."""
