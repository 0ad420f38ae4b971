"""The URLs of the application in Django."""

import asyncio

from django.http import JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from lacre import session_required as any_session_required
from lacre.django import current_session, session_required

from .frameworks import guards


def who(request):
    session = current_session()
    assert session is getattr(request, "lacre_session", None)
    return JsonResponse({"user": session and session.user, "roles": session and list(session.roles)})


@session_required()
async def slow(request):
    await asyncio.sleep(0)
    return who(request)


@method_decorator(session_required(), name="dispatch")
class ByClass(View):
    def get(self, request):
        return who(request)

    def post(self, request):
        return who(request)


urlpatterns = [
    *(path(name[1:], guard(who)) for name, guard in guards(session_required).items()),
    path("any", any_session_required(role="editor")(who)),
    path("async", slow),
    path("class", ByClass.as_view()),
    path("unguarded", who),
]
