//! One call for every route. Where the real thing would cost a password's hash or an account, the
//! body lacks something: the handler's own complaint shows that the caller was let in.

/// How a route is called, and what its handler answers then.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) pattern: &'static str,
    pub(super) body: Option<&'static str>,
    /// The `{id}` of the path, where it isn't that of somebody else.
    pub(super) user: Option<&'static str>,
    pub(super) status: u16,
}

const fn bare(method: &'static str, pattern: &'static str, status: u16) -> Call {
    Call {
        method,
        pattern,
        body: None,
        user: None,
        status,
    }
}

const fn with(
    method: &'static str,
    pattern: &'static str,
    body: &'static str,
    status: u16,
) -> Call {
    Call {
        body: Some(body),
        ..bare(method, pattern, status)
    }
}

pub(super) const CALLS: &[Call] = &[
    with(
        "POST",
        "/signup",
        r#"{"email": "new@example.com", "password": "short"}"#,
        422,
    ),
    with("POST", "/getToken", "{}", 400),
    with("POST", "/login", "{}", 400),
    bare("GET", "/openapi.json", 200),
    bare("GET", "/open", 200),
    bare("GET", "/headers", 200),
    bare("GET", "/me", 200),
    bare("POST", "/refresh", 200),
    with("POST", "/reauth", "{}", 400),
    with("PUT", "/me/password", "{}", 400),
    bare("POST", "/logout", 204),
    bare("GET", "/sessions", 200),
    bare("DELETE", "/sessions", 200),
    bare("DELETE", "/sessions/{crt}", 204),
    bare("GET", "/admin/users", 200),
    with("POST", "/admin/users", "{}", 400),
    bare("GET", "/admin/users/{id}", 200),
    with("PUT", "/admin/users/{id}", "{}", 400),
    Call {
        user: Some("nobody"),
        ..bare("DELETE", "/admin/users/{id}", 404)
    },
    bare("GET", "/admin/users/{id}/sessions", 200),
    bare("DELETE", "/admin/users/{id}/sessions", 200),
    with("PUT", "/client/users/{id}", "{}", 200),
    bare("GET", "/client/users/{id}/sessions", 200),
    bare("DELETE", "/client/users/{id}/sessions", 200),
    bare("DELETE", "/client/users/{id}/sessions/{crt}", 204),
];
