//! The dialect `api-users`: a JSON API whose answers have `data`, `message`, `resource` and `status`,
//! and whose refusals have a `sub_status`.
//!
//! The members stand in the order of the alphabet, as that service wrote them.
//!
//! This room must never tell why a token was refused that wasn't proven to be ours.

use super::super::answer::Answer;
use super::super::body::{Json, OptionalJson};
use super::super::problem::{Code, Missing, Parts, Problem, Reason};
use super::super::render::Wording;
use super::super::routes::admin::{self, Admin};
use super::super::routes::answers::{TokenAnswer, TokenText, UserAnswer};
use super::super::routes::contract::{
    Access, BodyInfo, Contract, Media, Part, Success, SuccessContent,
};
use super::super::routes::table::{RouteInfo, row};
use super::super::routes::{Policy, login, renew, sessions};
use super::super::schema::{Kind, Member, Presence, Shape as _, answer};
use super::names::renamed;
use super::wording::{has_bad_header, json};
use crate::accounts::{ADMIN_ROLE, Account, UserId};
use crate::ops;
use crate::service::Service;
use actix_web::HttpRequest;
use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path};
use serde::Serialize;

/// The routes of this dialect.
pub(super) const ROUTES: &[RouteInfo] = {
    use Access::{AnyKind, Open, Refresh, Role};
    const ADMIN: Access = Role(ADMIN_ROLE);
    const USER: &str = "/admin/users/{id}";
    &[
        row(Method::POST, "/auth", Open, AUTH, |r| r.to(auth)),
        row(Method::POST, "/auth/refresh", Refresh, REFRESH, |r| {
            r.to(refresh)
        })
        .and_own_users(),
        row(
            Method::POST,
            "/auth/logout",
            AnyKind,
            sessions::LOG_OUT,
            |r| r.to(sessions::log_out),
        )
        .and_own_users(),
        row(Method::POST, "/admin/users", ADMIN, MAKE, |r| r.to(make)),
        row(Method::GET, "/admin/users/page/{n}", ADMIN, PAGE, |r| {
            r.to(page)
        }),
        row(Method::GET, USER, ADMIN, SHOW, |r| r.to(show)),
        row(Method::PUT, USER, ADMIN, CHANGE, |r| r.to(change)),
        row(Method::DELETE, USER, ADMIN, DELETE, |r| r.to(delete)),
    ]
};

const CREDENTIALS: &str = "As credenciais estão inválidas para log in.";
const EXPIRED: &str = "Token expirou.";
const DENIED: &str = "Permissão negada.";
const CREATED: &str = "Token criado.";
const SHOWN: &str = "Usuários retornado(a).";

/// What is refused. A member that isn't there isn't written.
#[derive(Serialize)]
struct Refused<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_status: Option<u8>,
}

/// Tells a problem.
pub(super) fn words(problem: &Parts, asked: &RequestHead) -> Wording {
    let say = |refused: Refused<'_>| {
        let status = StatusCode::from_u16(refused.status);
        json(status.unwrap_or(StatusCode::UNAUTHORIZED), &refused)
    };
    let of_token = |sub_status, description| {
        say(Refused {
            description: Some(description),
            message: CREDENTIALS,
            resource: None,
            status: 401,
            sub_status: Some(sub_status),
        })
    };
    let denied = || {
        let of_log_in = asked.uri.path().starts_with("/auth");
        say(Refused {
            description: None,
            message: DENIED,
            resource: Some(if of_log_in { "Auth" } else { "Users" }),
            status: 401,
            sub_status: None,
        })
    };
    match (problem.code, problem.reason) {
        (Code::NoCredentials, _) => of_token(1, "Missing Authorization Header"),
        (Code::InvalidRequest, _) if has_bad_header(problem) => {
            of_token(1, "Bad Authorization Header")
        }
        (Code::InvalidToken, Some(Reason::Expired)) => say(Refused {
            description: None,
            message: EXPIRED,
            resource: None,
            status: 401,
            sub_status: Some(42),
        }),
        (Code::InvalidToken, Some(Reason::Claims)) => {
            of_token(9, "The issuer or the audience is another.")
        }
        (Code::InvalidToken, Some(Reason::Superseded)) => {
            of_token(5, "The token has been revoked.")
        }
        (Code::InvalidToken, Some(Reason::UserGone)) => of_token(6, "The user can't be loaded."),
        (Code::InvalidToken, Some(Reason::Reused)) => of_token(8, "The session has ended."),
        (Code::InvalidToken, _) => of_token(3, "The token is not accepted."),
        (Code::InsufficientScope, _) if problem.missing == Some(Missing::FreshLogin) => {
            of_token(4, "A fresh token is needed.")
        }
        (Code::InsufficientScope | Code::InvalidCredentials, _) => denied(),
        (code, _) => say(Refused {
            description: Some(&problem.detail),
            message: message(code.status()),
            resource: None,
            status: code.status().as_u16(),
            sub_status: None,
        }),
    }
}

/// What is said of an error that isn't about a token.
fn message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "Não encontrado(a).",
        409 => "Já existe ou não pode ser alterado(a).",
        429 => "Muitas tentativas.",
        500.. => "Ocorreu um erro no servidor.",
        _ => "Dados inválidos.",
    }
}

answer! {
    /// An account. The service had a tax number, which lacre doesn't keep.
    struct User {
        active: bool,
        cpf_cnpj: Option<String>,
        email: String,
        full_name: Option<String>,
        id: String,
    }
}

impl From<&Account> for User {
    fn from(account: &Account) -> Self {
        Self {
            active: account.active,
            cpf_cnpj: None,
            email: account.email.as_str().to_owned(),
            full_name: account.name.clone(),
            id: account.id.as_str().to_owned(),
        }
    }
}

impl From<ops::User> for User {
    fn from(user: ops::User) -> Self {
        Self {
            active: user.active,
            cpf_cnpj: None,
            email: user.email,
            full_name: user.name,
            id: user.id,
        }
    }
}

impl From<UserAnswer> for User {
    fn from(user: UserAnswer) -> Self {
        let account = user.account;
        Self {
            active: account.active,
            cpf_cnpj: None,
            email: account.email,
            full_name: account.name,
            id: account.id,
        }
    }
}

answer! {
    /// What a log-in and a refresh give.
    struct Given {
        data ["Option::is_none"]: Option<User>,
        message: String,
        refresh ["Option::is_none"]: Option<TokenText>,
        resource: String,
        status: u64,
        token: TokenText,
    }
}

impl Given {
    fn of(given: TokenAnswer, data: Option<User>) -> Self {
        Self {
            data,
            message: CREATED.to_owned(),
            refresh: given.refresh,
            resource: "Auth".to_owned(),
            status: 200,
            token: given.auth,
        }
    }
}

const TEXT: fn(&'static str) -> Member = |name| Member {
    name,
    kind: Kind::Text,
    presence: Presence::Optional,
};

const SENT: Part = || vec![TEXT("email"), TEXT("password")];

const AUTH: Contract = Contract {
    summary: "Begins a session by a password.",
    body: Some(BodyInfo {
        media: Media::Json,
        required: true,
        variants: &[&[SENT]],
    }),
    success: Success {
        status: 200,
        content: SuccessContent::Json(Given::kind),
        headers: &[],
    },
    ..login::GET_TOKEN
};

async fn auth(
    request: HttpRequest,
    service: Data<Service>,
    policy: Data<Policy>,
    Json(mut sent): Json,
) -> Result<Answer<Given>, Problem> {
    let sent = renamed(&mut sent, &[("email", "email"), ("password", "password")]);
    let begun = login::begin(&request, &service, &policy, sent).await?;
    let id = UserId::parse(&begun.issued.user_id);
    let account = match &id {
        Ok(id) => service.accounts().get(id).await?,
        Err(_) => None,
    };
    let data = account.as_ref().map(User::from);
    let given = login::answer(service.lacre(), begun.issued, None);
    Ok(given.map(|given| Given::of(given, data)))
}

const REFRESH: Contract = Contract {
    summary: "New tokens for a session; the earlier access token is refused from now on.",
    success: Success {
        status: 200,
        content: SuccessContent::Json(Given::kind),
        headers: &[],
    },
    ..renew::REFRESH
};

/// The answer has the next refresh token too: the one that was used is spent.
async fn refresh(
    request: HttpRequest,
    service: Data<Service>,
    sent: OptionalJson,
) -> Result<Answer<Given>, Problem> {
    let given = renew::refresh(request, service, sent).await?;
    Ok(given.map(|given| Given::of(given, None)))
}

answer! {
    /// One account.
    struct One {
        data: User,
        message: String,
        resource: String,
        status: u64,
    }
}

answer! {
    /// Several accounts.
    struct Several {
        data: Vec<User>,
        message: String,
        resource: String,
        status: u64,
    }
}

fn one(message: &str, status: u64, user: UserAnswer) -> One {
    One {
        data: user.into(),
        message: message.to_owned(),
        resource: "Users".to_owned(),
        status,
    }
}

const ONE: Success = Success {
    status: 200,
    content: SuccessContent::Json(One::kind),
    headers: &[],
};

const MAKE: Contract = Contract {
    success: Success { status: 201, ..ONE },
    ..admin::MAKE
};

async fn make(admin: Admin, Json(mut sent): Json) -> Result<Answer<One>, Problem> {
    let sent = Json(renamed(&mut sent, &NAMES));
    let made = admin::make(admin, sent).await?;
    Ok(made.map(|user| one("Usuário criado(a).", 201, user)))
}

/// What the service calls its members, and lacre.
const NAMES: [(&str, &str); 8] = [
    ("email", "email"),
    ("id", "id"),
    ("password", "password"),
    ("full_name", "name"),
    ("active", "active"),
    ("role", "role"),
    ("roles", "roles"),
    ("permissions", "permissions"),
];

const SHOW: Contract = Contract {
    success: ONE,
    ..admin::SHOW
};

async fn show(admin: Admin, id: Path<String>) -> Result<Answer<One>, Problem> {
    let shown = admin::show(admin, id).await?;
    Ok(shown.map(|user| one(SHOWN, 200, user)))
}

const CHANGE: Contract = Contract {
    success: ONE,
    ..admin::CHANGE
};

async fn change(
    admin: Admin,
    id: Path<String>,
    Json(mut sent): Json,
) -> Result<Answer<One>, Problem> {
    let sent = Json(renamed(&mut sent, &NAMES));
    let changed = admin::change(admin, id, sent).await?;
    Ok(changed.map(|user| one("Usuário atualizado(a).", 200, user)))
}

answer! {
    /// That something was done.
    struct Done {
        message: String,
        resource: String,
        status: u64,
    }
}

const DELETE: Contract = Contract {
    success: Success {
        status: 200,
        content: SuccessContent::Json(Done::kind),
        headers: &[],
    },
    ..admin::DELETE
};

async fn delete(admin: Admin, id: Path<String>) -> Result<Answer<Done>, Problem> {
    let _deleted = admin::delete(admin, id).await?;
    Ok(Answer::ok(Done {
        message: "Usuário excluído(a).".to_owned(),
        resource: "Users".to_owned(),
        status: 200,
    }))
}

/// So many accounts are on a page.
const PER_PAGE: usize = 50;

/// The last page that is looked for: the pages before it are walked through.
const LAST_PAGE: usize = 2000;

const PAGE: Contract = Contract {
    summary: "A page of 50 accounts in the order of their ids, counted from 1.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(Several::kind),
        headers: &[],
    },
    codes: &[Code::NotFound],
};

async fn page(admin: Admin, n: Path<String>) -> Result<Answer<Several>, Problem> {
    let none = || Problem::new(Code::NotFound);
    let n: usize = n.parse().map_err(|_| none())?;
    if !(1..=LAST_PAGE).contains(&n) {
        return Err(none());
    }
    let (mut accounts, mut next) = admin.accounts(None, PER_PAGE).await?;
    for _ in 1..n {
        let after = Some(next.ok_or_else(none)?);
        (accounts, next) = admin.accounts(after, PER_PAGE).await?;
    }
    Ok(Answer::ok(Several {
        data: accounts.into_iter().map(User::from).collect(),
        message: SHOWN.to_owned(),
        resource: "Users".to_owned(),
        status: 200,
    }))
}
