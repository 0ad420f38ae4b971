//! The dialect `flask-jwt-extended`: the routes of a course on that library, each of its guards with
//! its twin, and the library's own statuses and texts for what a token lacks.
//!
//! Names and texts are the configuration's, as the course has its own in loaders.
//!
//! This room must never tell why a token was refused that wasn't proven to be ours.

use super::super::answer::Answer;
use super::super::body::{Json, JsonOrForm, OptionalJson};
use super::super::guard::Session;
use super::super::problem::{Code, Missing, Parts, Problem, Reason};
use super::super::render::Wording;
use super::super::routes::answers::TokenAnswer;
use super::super::routes::contract::{
    Access, BodyInfo, Contract, Media, Part, Success, SuccessContent,
};
use super::super::routes::table::{RouteInfo, row};
use super::super::routes::{Policy, account, login, renew, sessions};
use super::super::schema::Kind;
use super::names::{Object, Told, renamed};
use super::wording::{has_bad_header, json};
use crate::accounts::ADMIN_ROLE;
use crate::config::DialectConfig;
use crate::service::Service;
use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;

/// A handler that says one sentence to whom the guard has let in.
macro_rules! says {
    ($route:ident, $text:expr) => {
        $route.to(|spoken: Data<DialectConfig>, _session: Session| async move {
                                                                            sentence(&spoken, $text)
                                                                        })
    };
}
const EDITOR_ROLE: &str = "editor";
const SENSITIVE: &str = "ver_datos_sensibles";
const PANEL: &str = "Bienvenido al panel de administración";

/// The routes of this dialect.
pub(super) const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, AnyRole, Fresh, Guarded, Open, Optional, Permission, Refresh, Role};
    const ADMIN: Access = Role(ADMIN_ROLE);
    const REPORT: Access = AnyRole(&[ADMIN_ROLE, EDITOR_ROLE]);
    const HIDDEN: Access = Permission(SENSITIVE);
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    &[
        row(POST, "/login", Open, LOG_IN, |r| r.to(log_in)),
        row(POST, "/reauth", Open, REAUTH, |r| r.to(reauth)),
        row(POST, "/refresh", Refresh, REFRESH, |r| r.to(refresh)).and_own_users(),
        row(POST, "/token/refresh", Refresh, REFRESH, |r| r.to(refresh)).and_own_users(),
        row(POST, "/logout", AnyKind, sessions::LOG_OUT, |r| {
            r.to(sessions::log_out)
        })
        .and_own_users(),
        row(GET, "/perfil", Guarded, PROFILE, |r| r.to(profile)),
        row(GET, "/protegido", Guarded, SAYS, |r| {
            says!(r, "Acceso autorizado a contenido protegido")
        }),
        row(GET, "/datos-protegidos", Guarded, SAYS, |r| {
            says!(r, "Acceso concedido a datos protegidos")
        }),
        row(GET, "/informacion", Optional, SAYS, |r| r.to(information)),
        row(Method::PUT, "/configuracion", Fresh, SAYS, |r| {
            says!(r, "Configuración actualizada")
        }),
        row(GET, "/admin", ADMIN, SAYS, |r| says!(r, PANEL)),
        row(GET, "/admin/panel", ADMIN, SAYS, |r| says!(r, PANEL)),
        row(GET, "/dashboard", ADMIN, SAYS, |r| {
            says!(r, "Acceso autorizado al dashboard")
        }),
        row(GET, "/reporte", REPORT, SAYS, |r| {
            says!(r, "Generando reporte...")
        }),
        row(GET, "/datos-sensibles", HIDDEN, SAYS, |r| {
            says!(r, "Accediendo a datos sensibles")
        }),
    ]
};

fn sentence(spoken: &DialectConfig, text: impl Into<String>) -> Answer<Object> {
    Answer::ok(Object::default().text(&spoken.members.message, text))
}

/// Tells a problem.
pub(super) fn words(spoken: &DialectConfig, problem: &Parts, asked: &RequestHead) -> Wording {
    use StatusCode as Is;
    let DialectConfig { members, texts, .. } = spoken;
    let of_token = |status, text: &str| {
        let body = Object::default().text(&members.error, text);
        json(status, &body)
    };
    let of_route = |status, text: &str| {
        let body = Object::default().text(&members.message, text);
        json(status, &body)
    };
    match (problem.code, problem.reason) {
        (Code::NoCredentials, _) => of_token(Is::UNAUTHORIZED, &texts.missing),
        (Code::InvalidToken, Some(Reason::Expired)) => of_token(Is::UNAUTHORIZED, &texts.expired),
        (Code::InvalidToken, Some(Reason::Claims)) => {
            of_token(Is::UNPROCESSABLE_ENTITY, &texts.claims)
        }
        (Code::InvalidToken, Some(Reason::Superseded | Reason::Reused | Reason::UserGone)) => {
            of_token(Is::UNAUTHORIZED, &texts.revoked)
        }
        (Code::InvalidToken, _) => of_token(Is::UNPROCESSABLE_ENTITY, &texts.invalid),
        (Code::InvalidRequest, _) if has_bad_header(problem) => of_token(
            Is::UNPROCESSABLE_ENTITY,
            "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'",
        ),
        (Code::CsrfFailed, _) => of_token(Is::UNAUTHORIZED, &texts.csrf),
        (Code::InsufficientScope, _) => match &problem.missing {
            Some(Missing::FreshLogin) => of_token(Is::UNAUTHORIZED, &texts.not_fresh),
            missing => {
                let text = denied(missing.as_ref(), asked.uri.path());
                of_route(Is::FORBIDDEN, &text)
            }
        },
        (Code::InvalidCredentials, _) => of_route(Is::UNAUTHORIZED, &texts.credentials),
        (Code::BodyMissingMember | Code::BodyWrongType, _) => {
            of_route(Is::BAD_REQUEST, &texts.credentials_missing)
        }
        (code, _) => of_token(code.status(), &problem.detail),
    }
}

/// What the course says to who lacks something.
fn denied(missing: Option<&Missing>, path: &str) -> String {
    let lacking = match missing {
        Some(Missing::Role(role)) if !path.starts_with("/admin") => {
            format!("se requiere rol {role}")
        }
        Some(Missing::AnyRole(roles)) => {
            format!("se requiere uno de los roles ['{}']", roles.join("', '"))
        }
        Some(Missing::Permission(name)) => format!("se requiere el permiso {name}"),
        _ => "privilegios insuficientes".to_owned(),
    };
    format!("Acceso denegado: {lacking}")
}

const ANY_OBJECT: Success = Success {
    status: 200,
    content: SuccessContent::Json(|| Kind::AnyObject),
    headers: &[],
};

const NAMED_BY_CONFIGURATION: Part = Vec::new;

const SAYS: Contract = Contract {
    summary: "Says a sentence to whom the guard lets in.",
    body: None,
    query: &[],
    success: ANY_OBJECT,
    codes: &[],
};

const LOG_IN: Contract = Contract {
    summary: "Begins a session by a password; the names of the members are the configuration's.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[NAMED_BY_CONFIGURATION]],
    }),
    success: ANY_OBJECT,
    ..login::GET_TOKEN
};

async fn log_in(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    spoken: Data<DialectConfig>,
    sent: Json,
) -> Result<Answer<Object>, Problem> {
    let begun = begun(request, service, policy, &spoken, sent).await?;
    Ok(begun.map(|given| both(&spoken, given)))
}

const REAUTH: Contract = Contract {
    summary: "Begins a session by a password, for a fresh access token.",
    ..LOG_IN
};

/// A session of its own, as the course has it: it takes no token, and gives no refresh token.
async fn reauth(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    spoken: Data<DialectConfig>,
    sent: Json,
) -> Result<Answer<Object>, Problem> {
    let begun = begun(request, service, policy, &spoken, sent).await?;
    Ok(begun.map(|given| Object::default().with(&spoken.members.token, Told::Token(given.auth))))
}

async fn begun(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    spoken: &DialectConfig,
    Json(mut sent): Json,
) -> Result<Answer<TokenAnswer>, Problem> {
    let members = &spoken.members;
    let names = [
        (members.user.as_str(), "email"),
        (members.password.as_str(), "password"),
    ];
    let sent = renamed(&mut sent, &names);
    login::get_token(request, service, policy, JsonOrForm(sent)).await
}

fn both(spoken: &DialectConfig, given: TokenAnswer) -> Object {
    let members = &spoken.members;
    let object = Object::default().with(&members.token, Told::Token(given.auth));
    match given.refresh {
        Some(refresh) => object.with(&members.refresh_token, Told::Token(refresh)),
        None => object,
    }
}

const REFRESH: Contract = Contract {
    summary: "New tokens for a session; the earlier access token is refused from now on.",
    body: None,
    success: ANY_OBJECT,
    ..renew::REFRESH
};

/// The answer has the next refresh token too: the one that was used is spent.
async fn refresh(
    request: HttpRequest,
    service: Data<Service>,
    spoken: Data<DialectConfig>,
    sent: OptionalJson,
) -> Result<Answer<Object>, Problem> {
    let given = renew::refresh(request, service, sent).await?;
    Ok(given.map(|given| both(&spoken, given)))
}

const PROFILE: Contract = Contract {
    summary: "The caller's name and e-mail, and its rights where the configuration names them.",
    success: ANY_OBJECT,
    ..account::ME
};

async fn profile(
    request: HttpRequest,
    service: Data<Service>,
    spoken: Data<DialectConfig>,
    session: Session,
) -> Result<Answer<Object>, Problem> {
    let members = &spoken.members;
    let me = account::me(request, service, session).await?;
    Ok(me.map(|me| {
        let account = me.account;
        Object::default()
            .with(&members.name, Told::Text(account.name))
            .with(&members.user, Told::Text(Some(account.email)))
            .named(members.role.as_ref(), Told::Text(Some(account.role)))
            .named(members.roles.as_ref(), Told::Texts(account.roles))
            .named(
                members.permissions.as_ref(),
                Told::Texts(account.permissions),
            )
    }))
}

async fn information(spoken: Data<DialectConfig>, session: Option<Session>) -> Answer<Object> {
    match session {
        Some(session) => {
            let user = session.user_id();
            sentence(
                &spoken,
                format!("Información personalizada para el usuario {user}"),
            )
        }
        None => sentence(&spoken, "Información general para visitantes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lacks_something_hears_what_the_course_says() {
        let role = Missing::Role("admin".into());
        let roles = Missing::AnyRole(vec!["admin".into(), "editor".into()]);
        let permission = Missing::Permission(SENSITIVE.into());
        for (missing, path, said) in [
            (&role, "/admin", "privilegios insuficientes"),
            (&role, "/admin/panel", "privilegios insuficientes"),
            (&role, "/dashboard", "se requiere rol admin"),
            (
                &roles,
                "/reporte",
                "se requiere uno de los roles ['admin', 'editor']",
            ),
            (
                &permission,
                "/datos-sensibles",
                "se requiere el permiso ver_datos_sensibles",
            ),
        ] {
            assert_eq!(
                denied(Some(missing), path),
                format!("Acceso denegado: {said}")
            );
        }
    }
}
