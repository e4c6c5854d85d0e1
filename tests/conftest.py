"""How many examples property tests try: a few hundred here, ten thousand in `benchmarks/fuzz.py`."""

from hypothesis import HealthCheck, settings

settings.register_profile("tests", max_examples=300, deadline=None)
settings.register_profile(
    "fuzz", settings.get_profile("tests"), max_examples=10_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile("tests")
