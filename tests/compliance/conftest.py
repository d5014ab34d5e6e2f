"""The registrar without a socket, as in tests/registrar."""

from tests.registrar.conftest import extension_1001, other_phone, phone, registrar

__all__ = ["extension_1001", "other_phone", "phone", "registrar"]
