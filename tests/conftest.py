"""Settings of all tests: properties are judged by their truth, not by a busy machine's speed."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
