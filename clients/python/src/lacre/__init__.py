"""Guards a back end's routes with lacre's session tokens, which end at once.

`lacre.flask`, `lacre.fastapi` and `lacre.django` guard the views of these frameworks, and
`lacre.flask_jwt_extended` has the names of Flask-JWT-Extended. `Lacre` is what they ask, for
anything else.

Every guarded request asks lacre, and no verdict is kept: a session that has ended is refused from
the next request on. Where lacre can't be asked, the answer is 503.
"""

from .client import Lacre, Tokens
from .decorator import session_required
from .errors import LacreError, Misconfigured, Refused, Unavailable
from .problem import Problem
from .requirement import Requirement
from .session import Session, current_session

__all__ = [
    "Lacre",
    "LacreError",
    "Misconfigured",
    "Problem",
    "Refused",
    "Requirement",
    "Session",
    "Tokens",
    "Unavailable",
    "current_session",
    "session_required",
]
