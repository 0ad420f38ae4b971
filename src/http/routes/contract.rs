//! What a route promises, as values: who may call it, what it takes, what it answers, and with
//! which codes it refuses.
//!
//! Each handler's [`Contract`] stands beside the handler. The table of routes joins the two, and a
//! page of the interface, a dialect or a test reads them there.
//!
//! This room must never promise what a type doesn't say: members come from the types of bodies and
//! answers.

use super::super::problem::Code;
use super::super::schema::{Kind, Member, Presence};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody; a token is not looked at.
    Open,
    /// Everybody; a token that comes must be good.
    Optional,
    /// Who has a good access token.
    Guarded,
    /// Who has an access token that was made by proving the password.
    Fresh,
    /// Who has an access token with this role.
    Role(&'static str),
    /// Who has an access token with one of these roles.
    AnyRole(&'static [&'static str]),
    /// Who has an access token with this permission.
    Permission(&'static str),
    /// Who has a good token, whether for access or for refresh.
    AnyKind,
    /// Who has a refresh token. The handler opens it, for its use changes the session.
    Refresh,
    /// A trusted back end, by its id and its secret. The handler asks for them; a token is not looked at.
    Client,
}

/// What a handler takes, answers and refuses.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// What it does, in one line.
    pub summary: &'static str,
    /// What it reads of the body; `None` where it reads none.
    pub body: Option<BodyInfo>,
    /// The parameters of the query; each may be left out.
    pub query: &'static [&'static str],
    /// What it answers where it does what was asked.
    pub success: Success,
    /// Its own codes, besides those of its access and of its body.
    pub codes: &'static [Code],
}

/// What a handler reads of the body.
#[derive(Debug, Clone, Copy)]
pub struct BodyInfo {
    /// The media types that it takes.
    pub media: Media,
    /// Whether there has to be a body.
    pub required: bool,
    /// The forms that the body may have: each one is some types, whose members stand together in
    /// one object.
    pub variants: &'static [&'static [Part]],
}

/// The members that one type of bodies reads.
pub type Part = fn() -> Vec<Member>;

/// The media types that a body may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/json` or `application/x-www-form-urlencoded`
    JsonOrForm,
}

/// The answer of a handler that has done its work.
#[derive(Debug, Clone, Copy)]
pub struct Success {
    /// The status.
    pub status: u16,
    /// What the body holds.
    pub content: SuccessContent,
    /// The header fields that it has of its own.
    pub headers: &'static [SuccessHeader],
}

/// A header field that an answer has because of what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuccessHeader {
    /// `Location`: where what was made is found.
    Location,
    /// `Set-Cookie`, where tokens may stand in cookies: sets those of a session, or takes them back.
    Cookies,
}

/// What the body of an answer holds.
#[derive(Debug, Clone, Copy)]
pub enum SuccessContent {
    /// Nothing.
    Nothing,
    /// This sentence, as plain text.
    Text(&'static str),
    /// A JSON value of this kind.
    Json(fn() -> Kind),
}

impl BodyInfo {
    /// The members of each form that the body may have.
    pub fn members(&self) -> impl Iterator<Item = Vec<Member>> {
        let whole = |parts: &&[Part]| parts.iter().flat_map(|part| part()).collect();
        self.variants.iter().map(whole)
    }

    fn codes(&self) -> Vec<Code> {
        let mut codes = RECEIVING.to_vec();
        codes.push(Code::UnsupportedMediaType);
        let needs =
            |member: &Member| matches!(member.presence, Presence::Required | Presence::OneOf);
        if self.members().any(|members| members.iter().any(needs)) {
            codes.push(Code::BodyMissingMember);
        }
        codes
    }
}

/// What any body can be refused with.
const RECEIVING: [Code; 6] = [
    Code::BodyMalformed,
    Code::BodyNotUtf8,
    Code::BodyWrongType,
    Code::BodyTooLarge,
    Code::BodyTooManyMembers,
    Code::RequestTimeout,
];

/// What the edge may answer before a route is asked, and a bug after it.
const EVERYWHERE: [Code; 3] = [Code::UriTooLong, Code::HeaderTooLarge, Code::InternalError];

impl Access {
    /// With what somebody is refused who isn't let in. A guard reads the body as well, where a
    /// token may stand in it.
    fn codes(self) -> Vec<Code> {
        let mut codes = Vec::new();
        if self == Self::Client {
            return vec![
                Code::InvalidRequest,
                Code::InvalidClient,
                Code::NoOwnUsers,
                Code::RateLimited,
                Code::StoreUnavailable,
            ];
        }
        if self != Self::Open {
            codes.extend(RECEIVING);
            codes.extend([
                Code::InvalidToken,
                Code::InvalidRequest,
                Code::CsrfFailed,
                Code::StoreUnavailable,
            ]);
        }
        if !matches!(self, Self::Open | Self::Optional) {
            codes.push(Code::NoCredentials);
        }
        if matches!(
            self,
            Self::Fresh | Self::Role(_) | Self::AnyRole(_) | Self::Permission(_)
        ) {
            codes.push(Code::InsufficientScope);
        }
        codes
    }
}

impl Contract {
    /// Every code that a route of this access may answer, in the order of `docs/errors.md`.
    #[must_use]
    pub fn codes(&self, access: Access) -> Vec<Code> {
        let mut given = access.codes();
        given.extend(self.codes);
        given.extend(self.body.iter().flat_map(BodyInfo::codes));
        given.extend(EVERYWHERE);
        Code::all().filter(|code| given.contains(code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Contract = Contract {
        summary: "Nothing.",
        body: None,
        query: &[],
        success: Success {
            status: 204,
            content: SuccessContent::Nothing,
            headers: &[],
        },
        codes: &[Code::NotFound],
    };

    fn name() -> Vec<Member> {
        vec![Member {
            name: "name",
            kind: Kind::Text,
            presence: Presence::Required,
        }]
    }

    fn label() -> Vec<Member> {
        vec![Member {
            name: "label",
            kind: Kind::Text,
            presence: Presence::Optional,
        }]
    }

    fn with_body(variants: &'static [&'static [Part]]) -> Contract {
        let body = BodyInfo {
            media: Media::Json,
            required: true,
            variants,
        };
        Contract {
            body: Some(body),
            ..PLAIN
        }
    }

    #[test]
    fn an_open_route_gives_its_own_codes_and_those_of_the_edge() {
        assert_eq!(
            PLAIN.codes(Access::Open),
            [
                Code::NotFound,
                Code::UriTooLong,
                Code::HeaderTooLarge,
                Code::InternalError
            ]
        );
    }

    #[test]
    fn the_codes_follow_from_who_is_let_in() {
        let gives = |access, code| PLAIN.codes(access).contains(&code);
        for access in [
            Access::Optional,
            Access::Guarded,
            Access::Fresh,
            Access::Role("admin"),
            Access::AnyKind,
            Access::Refresh,
        ] {
            assert!(gives(access, Code::InvalidToken), "{access:?}");
            let needs_one = access != Access::Optional;
            assert_eq!(gives(access, Code::NoCredentials), needs_one, "{access:?}");
            let needs_more = matches!(access, Access::Fresh | Access::Role(_));
            assert_eq!(gives(access, Code::InsufficientScope), needs_more);
        }
    }

    #[test]
    fn a_member_can_be_missing_only_where_one_is_needed() {
        let missing = |contract: Contract| {
            let codes = contract.codes(Access::Open);
            assert!(codes.contains(&Code::BodyMalformed));
            codes.contains(&Code::BodyMissingMember)
        };
        assert!(missing(with_body(&[&[name, label]])));
        assert!(missing(with_body(&[&[label], &[name]])));
        assert!(!missing(with_body(&[&[label]])));
    }

    #[test]
    fn the_parts_of_a_variant_stand_together() {
        let contract = with_body(&[&[name, label], &[label]]);
        let members: Vec<Vec<&str>> = contract
            .body
            .unwrap()
            .members()
            .map(|members| members.iter().map(|member| member.name).collect())
            .collect();
        assert_eq!(members, [vec!["name", "label"], vec!["label"]]);
    }
}
