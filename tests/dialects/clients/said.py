"""What the clients have in common: they read what to use as JSON, check what is answered, and count."""

import json
import sys

given = json.load(sys.stdin)
url = given["url"]
checked = 0


def due(answer, status, body):
    """Demands a status and a body: of text the whole of it, of JSON all members in their order."""
    global checked
    is_text = isinstance(body, str)
    found = answer.text if is_text else answer.json()
    right = answer.status_code == status and found == body
    if right and isinstance(body, dict):
        right = list(found) == list(body)
    if not right:
        sys.exit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text!r}, due: {status} {body!r}")
    checked += 1


def members(answer, status, names):
    """Demands a status and these members in this order; gives the object."""
    global checked
    found = answer.json()
    if answer.status_code != status or list(found) != names:
        sys.exit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text!r}, due: {status} {names}")
    checked += 1
    return found


def done():
    print(f"{checked} answers were as due")
