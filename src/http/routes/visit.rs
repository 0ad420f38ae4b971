//! `GET /headers` and `GET /open`: the smallest guarded resource and the smallest optional one.

use super::super::guard::Session;
use actix_web::HttpResponse;
use serde_json::json;

/// `GET /headers`: the sentence that says that the token was good.
pub(super) async fn headers(_session: Session) -> &'static str {
    "Access Granted"
}

/// `GET /open`: for everyone; says who came, if somebody did.
pub(super) async fn open(session: Option<Session>) -> HttpResponse {
    let user = session.map(|session| {
        let claims = &session.claims;
        json!({
            "id": claims.subject,
            "email": claims.email,
            "role": claims.role,
            "roles": claims.roles,
            "permissions": claims.permissions,
        })
    });
    HttpResponse::Ok().json(json!({ "user": user }))
}
