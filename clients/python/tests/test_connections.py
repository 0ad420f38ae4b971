"""Connections are kept, replaced and never shared by two processes."""

import os
import threading

import pytest

from lacre import Unavailable
from lacre.connections import Pool

from .conftest import Service


def connections_of(service):
    """How many connections the gateway has, by the kernel's list."""
    port = int(service.gateway.rpartition(":")[2])
    count = 0
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            local, state = line.split()[1], line.split()[3]
            count += int(local.partition(":")[2], 16) == port and state == "01"
    return count


def test_one_connection_serves_many_requests(own_service):
    lacre = own_service.lacre()
    token = lacre.get_token("ada").access
    for _ in range(20):
        assert lacre.introspect(token).user == "ada"
    assert connections_of(own_service) == 1
    lacre.close()
    assert connections_of(own_service) == 0


def test_a_kept_connection_that_was_closed_is_replaced(own_service):
    lacre = own_service.lacre()
    token = lacre.get_token("ada").access
    assert lacre.introspect(token).user == "ada"
    for _ in range(3):
        own_service.stop()
        own_service.start()
        assert lacre.introspect(token).user == "ada"


def test_threads_share_a_pool_and_no_connection(own_service):
    lacre = own_service.lacre(connections=4)
    tokens = {f"user-{n}": lacre.get_token(f"user-{n}").access for n in range(8)}
    wrong = []

    def ask(user):
        for _ in range(40):
            session = lacre.introspect(tokens[user])
            if session is None or session.user != user:
                wrong.append(user)

    threads = [threading.Thread(target=ask, args=(user,)) for user in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 1 <= connections_of(own_service) <= 4


def test_a_forked_process_opens_a_connection_of_its_own(own_service):
    lacre = own_service.lacre()
    tokens = [lacre.get_token(name).access for name in ("parent", "child")]
    assert lacre.introspect(tokens[0]).user == "parent"
    child = os.fork()
    if child == 0:
        good = all(lacre.introspect(tokens[1]).user == "child" for _ in range(200))
        os._exit(0 if good else 1)
    for _ in range(200):
        assert lacre.introspect(tokens[0]).user == "parent"
    assert os.waitpid(child, 0)[1] == 0


def test_a_fork_in_the_middle_of_requests_shares_no_connection(own_service):
    lacre = own_service.lacre(connections=4)
    tokens = {name: lacre.get_token(name).access for name in ("one", "two", "three", "child")}
    wrong, over = [], threading.Event()

    def ask(user):
        while not over.is_set():
            if lacre.introspect(tokens[user]).user != user:
                wrong.append(user)

    threads = [threading.Thread(target=ask, args=(user,)) for user in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            good = False
            try:
                good = all(lacre.introspect(tokens["child"]).user == "child" for _ in range(50))
            finally:
                os._exit(0 if good else 1)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    over.set()
    for thread in threads:
        thread.join()
    assert (statuses, wrong) == ([0] * 6, [])


def test_a_unix_socket_works(program, place):
    service = Service(program, place, gateway=f"unix:{place}/gateway.sock")
    try:
        lacre = service.lacre()
        tokens = lacre.get_token("ada", claims={"tenant": "t-7"})
        session = lacre.introspect(tokens.access)
        assert (session.user, session.handle) == ("ada", tokens.handle)
        lacre.revoke(tokens.access)
        assert lacre.introspect(tokens.access) is None
        service.stop()
        with pytest.raises(Unavailable):
            lacre.introspect(tokens.access)
    finally:
        service.stop()


def test_the_pool_keeps_no_more_than_it_may(own_service):
    pool = Pool(f"http://{own_service.gateway}", 2.0, 0)
    assert pool.exchange("GET", "/.well-known/jwks.json", {}).status in (200, 404)
    assert connections_of(own_service) == 0
