"""Hashes of passwords, as other libraries keep them.

Standard input: a line that is not used, then a password in JSON a line. Standard output: for each, a
JSON object of the hashes that Django, Werkzeug, passlib, bcrypt and argon2-cffi make of it. The work
is "low" (the lowest that they take) or "default".
"""

import json
import sys

import argon2
import bcrypt
from django.conf import settings
from passlib import hash as passlib
from werkzeug.security import generate_password_hash

HASHERS = "django.contrib.auth.hashers."
settings.configure(
    PASSWORD_HASHERS=[
        HASHERS + name
        for name in (
            "PBKDF2PasswordHasher",
            "PBKDF2SHA1PasswordHasher",
            "Argon2PasswordHasher",
            "BCryptSHA256PasswordHasher",
            "BCryptPasswordHasher",
            "ScryptPasswordHasher",
        )
    ]
)

from django.contrib.auth import hashers  # noqa: E402, after the settings


def django(password, low):
    for hasher in hashers.get_hashers():
        if low:
            for name, value in (("iterations", 1000), ("rounds", 4), ("work_factor", 16)):
                if hasattr(hasher, name):
                    setattr(hasher, name, value)
        # bcrypt refuses a longer password since 5.0; all others have cut it off.
        seen = password[:72] if hasher.algorithm == "bcrypt" else password
        yield "django " + hasher.algorithm, hasher.encode(seen, hasher.salt())


def others(password, low):
    iterations = ":1000" if low else ":1000000"
    scrypt = "scrypt:1024:8:1" if low else "scrypt"
    for method in ("pbkdf2:sha256" + iterations, "pbkdf2:sha512" + iterations, scrypt):
        yield "werkzeug " + method, generate_password_hash(password, method=method)
    for name in ("pbkdf2_sha256", "pbkdf2_sha512", "pbkdf2_sha1"):
        scheme = getattr(passlib, name)
        yield "passlib " + name, (scheme.using(rounds=1000) if low else scheme).hash(password)
    scheme = passlib.scrypt.using(rounds=4 if low else 14)
    yield "passlib scrypt", scheme.hash(password)
    seen = password.encode()[:72]
    yield "bcrypt", bcrypt.hashpw(seen, bcrypt.gensalt(4 if low else 12)).decode()
    hasher = argon2.PasswordHasher(1, 64, 1) if low else argon2.PasswordHasher()
    yield "argon2-cffi", hasher.hash(password)


sys.stdin.readline()
for line in sys.stdin:
    password = json.loads(line)
    low = sys.argv[1] == "low"
    print(json.dumps(dict([*django(password, low), *others(password, low)])))
