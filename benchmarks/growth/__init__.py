"""What bench_growth.py measures, and the picture it draws."""
