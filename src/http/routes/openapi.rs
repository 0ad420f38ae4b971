//! The description of the routes as `OpenAPI` 3.1 has it, made from the table and its contracts.
//!
//! It is the same for every deployment: what a setting changes (where else a token may stand, which
//! origins may read) is said in words.
//!
//! This room must never describe what the table doesn't have.

use super::super::problem::Code;
use super::super::schema::{Kind, Member, Presence};
use super::contract::{Access, BodyInfo, Media, SuccessContent, SuccessHeader};
use super::table::RouteInfo;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ABOUT: &str = "Encrypted session tokens, one key per session, revocable at once. A token stands in \
    `Authorization: Bearer`; where a deployment allows it, also in the cookie `__Host-lacre_access` (with the header \
    `X-CSRF-TOKEN` where the method changes something), in the query as `token`, or in a member `token` of a JSON body. \
    `HEAD` is answered as `GET` without the content. What isn't HTTP is refused with 400, 408 or 431, without a body and \
    without `X-Request-Id`, and the connection is closed.";

/// The document.
pub(super) fn document(routes: &[RouteInfo]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let path = paths
            .entry(route.pattern)
            .or_insert_with(|| with_parameters(route));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "lacre",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "access": scheme("An access token."),
                "refresh": scheme("A refresh token; its use changes the session."),
                "client": {
                    "type": "http", "scheme": "basic",
                    "description": "The id and the secret of a trusted back end (RFC 7617).",
                },
            },
            "schemas": {"problem": problem()},
            "responses": shared(routes),
            "headers": {
                "request_id": {
                    "description": "The name of this request in the log.",
                    "required": true, "schema": {"type": "string"},
                },
                "challenge": {
                    "description": "RFC 6750 §3, or RFC 7617 where a back end's credentials are asked for.",
                    "schema": {"type": "string"},
                },
                "cookies": {
                    "description": "Sets the cookies of a session or takes them back, one field for each, where tokens may \
                        stand in cookies.",
                    "schema": {"type": "string", "pattern": "^__Host-lacre_(access|refresh|csrf)="},
                },
                "location": {
                    "description": "The path of what was made.", "required": true,
                    "schema": {"type": "string", "pattern": "^/"},
                },
                "retry_after": {
                    "description": "Seconds to wait.", "required": true,
                    "schema": {"type": "string", "pattern": "^[0-9]+$"},
                },
            },
        },
    })
}

fn with_parameters(route: &RouteInfo) -> Value {
    let parameters: Vec<Value> = route
        .path_parameters()
        .map(|name| parameter(name, "path", true))
        .collect();
    if parameters.is_empty() {
        json!({})
    } else {
        json!({"parameters": parameters})
    }
}

fn parameter(name: &str, place: &str, required: bool) -> Value {
    json!({"name": name, "in": place, "required": required, "schema": {"type": "string"}})
}

fn scheme(description: &str) -> Value {
    json!({"type": "http", "scheme": "bearer", "bearerFormat": "JWE", "description": description})
}

fn operation(route: &RouteInfo) -> Value {
    let contract = &route.contract;
    let mut operation = json!({
        "operationId": name_of(route),
        "summary": contract.summary,
        "security": security(route),
        "responses": responses(route),
    });
    if let Access::Role(role) = route.access {
        operation["description"] = format!("Needs the role `{role}`.").into();
    } else if route.access == Access::Fresh {
        operation["description"] = "Needs a token that was made by proving the password.".into();
    }
    if !contract.query.is_empty() {
        let parameters = contract.query.iter();
        operation["parameters"] = parameters
            .map(|name| parameter(name, "query", false))
            .collect();
    }
    if let Some(body) = &contract.body {
        operation["requestBody"] = request_body(body);
    }
    operation
}

/// The method and the path as one word: `getAdminUsersId`.
fn name_of(route: &RouteInfo) -> String {
    let mut name = route.method.as_str().to_ascii_lowercase();
    for word in route.pattern.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.extend(letters);
    }
    name
}

/// Who may call it; where several stand side by side, one of them is enough.
fn security(route: &RouteInfo) -> Value {
    let by_client = route.codes().contains(&Code::InvalidClient);
    match route.access {
        Access::Open if by_client => json!([{}, {"client": []}]),
        Access::Open => json!([]),
        Access::Client => json!([{"client": []}]),
        Access::Optional => json!([{}, {"access": []}]),
        Access::Guarded
        | Access::Fresh
        | Access::Role(_)
        | Access::AnyRole(_)
        | Access::Permission(_) => json!([{"access": []}]),
        Access::AnyKind => json!([{"access": []}, {"refresh": []}]),
        // The token may stand in the body as well.
        Access::Refresh => json!([{"refresh": []}, {}]),
    }
}

fn request_body(body: &BodyInfo) -> Value {
    let variants: Vec<Value> = body
        .members()
        .map(|members| object(&members, true))
        .collect();
    let schema = match variants.as_slice() {
        [one] => one.clone(),
        several => json!({"anyOf": several}),
    };
    let mut content = json!({"application/json": {"schema": schema}});
    if body.media == Media::JsonOrForm {
        content["application/x-www-form-urlencoded"] = json!({"schema": schema});
    }
    json!({"required": body.required, "content": content})
}

fn responses(route: &RouteInfo) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    let success = route.contract.success;
    let mut headers = json!({"X-Request-Id": named_header("request_id")});
    for header in success.headers {
        match header {
            SuccessHeader::Location => headers["Location"] = named_header("location"),
            SuccessHeader::Cookies => headers["Set-Cookie"] = named_header("cookies"),
        }
    }
    let mut done = json!({"description": "Done.", "headers": headers});
    match success.content {
        SuccessContent::Nothing => {}
        SuccessContent::Text(text) => {
            done["content"] = json!({"text/plain": {"schema": {"type": "string", "const": text}}});
        }
        SuccessContent::Json(kind) => {
            done["content"] = json!({"application/json": {"schema": schema(&kind(), false)}});
        }
    }
    responses.insert(success.status.to_string(), done);
    for refusal in refusals(route) {
        let place = format!("#/components/responses/{}", refusal.name());
        responses.insert(refusal.status.to_string(), json!({"$ref": place}));
    }
    responses.into_iter().collect()
}

fn named_header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

/// The answers that a route refuses with, one for each status.
fn refusals(route: &RouteInfo) -> Vec<Refusal> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in route.codes() {
        let status = code.status().as_u16();
        by_status.entry(status).or_default().push(code);
    }
    let refusals = by_status.into_iter().map(|(status, codes)| Refusal {
        status,
        takes_cookies_back: route.access == Access::AnyKind && codes.contains(&Code::InvalidToken),
        codes,
    });
    refusals.collect()
}

/// Every answer that refuses, by its name.
fn shared(routes: &[RouteInfo]) -> BTreeMap<String, Value> {
    let all = routes.iter().flat_map(refusals);
    all.map(|refusal| (refusal.name(), refusal.response()))
        .collect()
}

/// An answer that refuses.
struct Refusal {
    status: u16,
    codes: Vec<Code>,
    /// A browser that logs out with a cookie that is good no more is to drop it.
    takes_cookies_back: bool,
}

impl Refusal {
    /// Routes that refuse with the same codes share an answer, which is named by these.
    fn name(&self) -> String {
        let mut names = self.codes();
        names.extend(self.takes_cookies_back.then_some("cookies"));
        names.join("-")
    }

    fn codes(&self) -> Vec<&'static str> {
        self.codes.iter().map(|code| code.as_str()).collect()
    }

    fn response(&self) -> Value {
        let titles: Vec<&str> = self.codes.iter().map(|code| code.title()).collect();
        json!({
            "description": format!("{}.", titles.join("; ")),
            "headers": self.headers(),
            "content": {"application/problem+json": {"schema": {
                "allOf": [{"$ref": "#/components/schemas/problem"}],
                "properties": {"code": {"enum": self.codes()}, "status": {"const": self.status}},
            }}},
        })
    }

    fn headers(&self) -> Value {
        let mut headers = json!({"X-Request-Id": named_header("request_id")});
        let is_challenged = matches!(self.status, 401 | 403);
        if is_challenged || self.codes.contains(&Code::InvalidRequest) {
            headers["WWW-Authenticate"] = named_header("challenge");
        }
        if matches!(self.status, 429 | 503) {
            headers["Retry-After"] = named_header("retry_after");
        }
        if self.takes_cookies_back {
            headers["Set-Cookie"] = named_header("cookies");
        }
        headers
    }
}

/// RFC 9457 §3, and the members of our own.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": {"type": "string", "pattern": "^urn:lacre:error:"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "The stable name of the error."},
            "field": {"type": "string", "description": "The member of the request that is at fault."},
            "missing": {"description": "What the caller lacks."},
            "request_id": {"type": "string"},
        },
    })
}

/// An object with these members. What a request has beyond them is ignored; an answer has no more.
fn object(members: &[Member], open: bool) -> Value {
    let property = |member: &Member| {
        let mut schema = schema(&member.kind, open);
        if member.presence == Presence::Nullable {
            schema = json!({"anyOf": [schema, {"type": "null"}]});
        }
        (member.name.to_owned(), schema)
    };
    let named = |presences: &[Presence]| -> Vec<&str> {
        let found = members
            .iter()
            .filter(|member| presences.contains(&member.presence));
        found.map(|member| member.name).collect()
    };
    let properties: Map<String, Value> = members.iter().map(property).collect();
    // A request may leave out what it may set to nothing.
    let always: &[Presence] = if open {
        &[Presence::Required]
    } else {
        &[Presence::Required, Presence::Nullable]
    };
    let mut object = json!({
        "type": "object",
        "properties": properties,
        "required": named(always),
    });
    if !open {
        object["additionalProperties"] = false.into();
    }
    let one_of = named(&[Presence::OneOf]);
    if !one_of.is_empty() {
        let alone = one_of.iter().map(|name| json!({"required": [name]}));
        object["oneOf"] = alone.collect();
    }
    object
}

fn schema(kind: &Kind, open: bool) -> Value {
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Secret => json!({"type": "string", "format": "password"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::List(kind) => json!({"type": "array", "items": schema(kind, open)}),
        Kind::Object(members) => object(members, open),
        Kind::AnyObject => json!({"type": "object"}),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::ROUTES;
    use super::*;

    /// A page of the documentation and the answer of the service are one document.
    #[test]
    fn the_documentation_has_the_document_as_it_is() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        let due = format!("{:#}\n", document(ROUTES));
        #[allow(clippy::disallowed_methods)] // a switch of the tests, not configuration
        if std::env::var_os("LACRE_BLESS").is_some() {
            std::fs::write(path, &due).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == due,
            "docs/openapi.json is stale: run the test with LACRE_BLESS=1"
        );
    }

    #[test]
    fn every_row_of_the_table_is_an_operation_with_a_name_of_its_own() {
        let document = document(ROUTES);
        let mut names = Vec::new();
        for route in ROUTES {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][route.pattern][method];
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            for code in route.codes() {
                let status = code.status().as_u16().to_string();
                let place = operation["responses"][status]["$ref"].as_str().unwrap();
                let shared = document.pointer(&place[1..]).unwrap();
                let schema = &shared["content"]["application/problem+json"]["schema"];
                let known = schema["properties"]["code"]["enum"].as_array().unwrap();
                assert!(
                    known.contains(&code.as_str().into()),
                    "{} {code:?}",
                    route.pattern
                );
            }
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        let operations = document["paths"].as_object().unwrap().values();
        let counted: usize = operations
            .map(|path| {
                path.as_object()
                    .unwrap()
                    .keys()
                    .filter(|key| *key != "parameters")
                    .count()
            })
            .sum();
        assert_eq!(counted, ROUTES.len(), "nothing but the table");
    }

    #[test]
    fn what_a_token_opens_and_what_needs_none_is_told() {
        let of = |pattern: &str, method: &str| {
            document(ROUTES)["paths"][pattern][method]["security"].clone()
        };
        assert_eq!(of("/me", "get"), json!([{"access": []}]));
        assert_eq!(of("/signup", "post"), json!([]));
        assert_eq!(of("/open", "get"), json!([{}, {"access": []}]));
        assert_eq!(of("/getToken", "post"), json!([{}, {"client": []}]));
        assert_eq!(of("/client/users/{id}", "put"), json!([{"client": []}]));
        assert_eq!(
            of("/logout", "post"),
            json!([{"access": []}, {"refresh": []}])
        );
    }

    #[test]
    fn a_member_of_which_one_is_needed_excludes_the_other() {
        let body = &document(ROUTES)["paths"]["/login"]["post"]["requestBody"];
        let schema = &body["content"]["application/json"]["schema"]["anyOf"][0];
        let alone = json!([{"required": ["email"]}, {"required": ["id"]}]);
        assert_eq!(schema["oneOf"], alone);
        assert_eq!(schema["required"], json!(["password"]));
    }
}
