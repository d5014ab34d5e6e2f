"""What a signed-in API client may do: the token's scope within its owner's role.

Denies whatever is not said here, so a view needs no permission of its own to be closed.
"""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts.models import ApiToken, Scope, User

if TYPE_CHECKING:  # rest_framework.views imports this file, by the settings
    from rest_framework.views import APIView


class RoleAndScope(BasePermission):
    """Reading needs the scope `read`; changing needs the scope `write` (which does not include `read`) and an admin."""

    message = "A token is needed."
    code = "forbidden"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        user, token = request.user, request.auth
        if not isinstance(user, User) or not isinstance(token, ApiToken):
            return False
        needed = Scope.READ if request.method in SAFE_METHODS else Scope.WRITE
        if needed not in token.scopes:
            self.code, self.message = "scope_missing", f"This token does not have the scope {needed.value}."
            return False
        if needed == Scope.WRITE and not user.is_admin:
            self.code, self.message = "admin_only", "Only an admin may change anything."
            return False
        return True


class AdminOnly(RoleAndScope):
    """As above, and reading is for admins, too."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not super().has_permission(request, view):
            return False
        self.code, self.message = "admin_only", "Only an admin may see this."
        return isinstance(request.user, User) and request.user.is_admin
