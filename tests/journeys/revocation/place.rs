//! Where a token stands in a request, and what a server then says of it.

use super::event::Verdict;
use super::scene::{Held, House};
use crate::support::http::{Answer, Request};
use crate::support::walked::walked;
use serde_json::json;

pub(crate) const ACCESS_COOKIE: &str = "__Host-lacre_access";
pub(crate) const REFRESH_COOKIE: &str = "__Host-lacre_refresh";
pub(crate) const CSRF_COOKIE: &str = "__Host-lacre_csrf";

walked! {
    /// A place of a request where a token may stand.
    Place {
        Header,
        Cookie,
        Query,
        Json,
    }
}

impl Place {
    /// The word of `token.locations`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Query => "query",
            Self::Json => "json",
        }
    }

    /// `token.locations` with every place.
    pub(crate) fn every_word() -> String {
        let words: Vec<&str> = Self::ALL.iter().map(|place| place.word()).collect();
        words.join(",")
    }

    /// `GET target` with this access token.
    fn get(self, target: &str, token: &str) -> Request {
        match self {
            Self::Header => Request::get(target).bearer(token),
            Self::Cookie => {
                Request::get(target).header("Cookie", &format!("{ACCESS_COOKIE}={token}"))
            }
            Self::Query => Request::get(&format!("{target}?token={token}")),
            Self::Json => Request::get(target).json(json!({ "token": token })),
        }
    }

    /// `POST /refresh`, where a refresh token may stand here.
    fn refresh(self, held: &Held) -> Option<Request> {
        let request = Request::post("/refresh");
        match self {
            Self::Header => Some(request.bearer(&held.refresh)),
            Self::Cookie => {
                let (refresh, csrf) = (&held.refresh, &held.csrf);
                let cookies = format!("{REFRESH_COOKIE}={refresh}; {CSRF_COOKIE}={csrf}");
                Some(
                    request
                        .header("Cookie", &cookies)
                        .header("X-CSRF-TOKEN", csrf),
                )
            }
            Self::Query => None,
            Self::Json => Some(request.json(json!({ "refresh": held.refresh }))),
        }
    }

    /// What the server says of the access token.
    pub(crate) fn tries_access(self, house: &House, token: &str) -> Verdict {
        // A route that lets in accounts and clients' users alike.
        judged(house, &house.server.send(&self.get("/sessions", token)))
    }

    /// What the server says of the refresh token; `None` where it can't stand here. Where it is
    /// good, its successor takes its place. `current` is an access token of the generation that
    /// the session has now: a refresh that repeats that generation lets it live.
    pub(crate) fn tries_refresh(
        self,
        house: &House,
        held: &mut Held,
        current: &str,
    ) -> Option<Verdict> {
        let answer = house.server.send(&self.refresh(held)?);
        let verdict = judged(house, &answer);
        if verdict == Verdict::Noise {
            return Some(verdict);
        }
        if Self::Header.tries_access(house, current) == Verdict::Noise {
            held.replace_by(&answer);
            return Some(Verdict::Stays);
        }
        Some(Verdict::Repeats)
    }
}

/// A refused token gets the one answer that noise gets, byte for byte.
fn judged(house: &House, answer: &Answer) -> Verdict {
    if answer.status == 200 {
        return Verdict::Stays;
    }
    assert_eq!(answer.without_id(), house.refusal);
    Verdict::Noise
}
