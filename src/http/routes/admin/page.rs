//! Which page of accounts is asked for.
//!
//! This room must never take a number or a cursor for something that it isn't.

use super::super::super::locations::TOKEN;
use super::super::super::problem::{Code, Problem};
use super::refused::problem;
use crate::accounts::{AccountsError, UserId};
use crate::ops::{OpsError, UsersRequest};
use crate::service::ServiceError;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// `?limit=&after=&q=`, each at most once.
pub(super) fn parse(pairs: &[(String, String)]) -> Result<UsersRequest, Problem> {
    let (mut limit, mut after, mut query) = (None, None, None);
    for (name, value) in pairs {
        let place = match name.as_str() {
            "limit" => &mut limit,
            "after" => &mut after,
            "q" => &mut query,
            TOKEN => continue, // the guard's business
            _ => {
                return Err(Problem::new(Code::InvalidRequest)
                    .detail("The query may hold `limit`, `after` and `q`."));
            }
        };
        if place.replace(value.as_str()).is_some() {
            return Err(
                Problem::new(Code::InvalidRequest).detail("The query holds a parameter twice.")
            );
        }
    }
    Ok(UsersRequest::List {
        limit: Some(limit.map_or(Ok(DEFAULT_LIMIT), number)?),
        after: after
            .filter(|text| !text.is_empty())
            .map(cursor)
            .transpose()?,
        text: query.map(str::to_owned),
    })
}

fn number(text: &str) -> Result<usize, Problem> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number
        .filter(|number| (1..=MAX_LIMIT).contains(number))
        .ok_or_else(|| wrong("limit", "`limit` must be a whole number from 1 to 200."))
}

fn cursor(text: &str) -> Result<String, Problem> {
    match UserId::parse(text) {
        Ok(id) => Ok(id.as_str().to_owned()),
        Err(_) => Err(wrong(
            "after",
            "`after` must be the `next` of a page before.",
        )),
    }
}

fn wrong(parameter: &'static str, detail: &'static str) -> Problem {
    Problem::new(Code::InvalidRequest)
        .field(parameter)
        .detail(detail)
}

/// A search that the accounts refuse is at fault itself, not an account.
pub(super) fn refused(error: OpsError) -> Problem {
    match error {
        OpsError::Service(ServiceError::Accounts(AccountsError::AccountInvalid { .. })) => {
            wrong("q", "`q` must be at most 254 bytes of text.")
        }
        error => problem(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<(usize, Option<String>, Option<String>), Code> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
        match parse(&pairs).map_err(|problem| problem.code())? {
            UsersRequest::List { limit, after, text } => Ok((limit.unwrap(), after, text)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_asked_for_is_the_first_page() {
        assert_eq!(asked(""), Ok((50, None, None)));
    }

    #[test]
    fn a_page_is_asked_for_by_limit_cursor_and_text() {
        let asked = asked("q=a%26b&token=x&after=u1&limit=200").unwrap();
        assert_eq!(asked, (200, Some("u1".to_owned()), Some("a&b".to_owned())));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for bad in [
            "limit=0",
            "limit=201",
            "limit=",
            "limit=-1",
            "limit=%2B5",
            "limit=ten",
            "limit=99999999999999999999",
            "after=a%20b",
            "after=client_x",
            "limit=1&limit=2",
            "page=2",
        ] {
            assert_eq!(asked(bad), Err(Code::InvalidRequest), "{bad}");
        }
    }
}
