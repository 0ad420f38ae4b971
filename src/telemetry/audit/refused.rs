//! The refusals of the last requests, for an operator who has the id of one.
//!
//! A client that was refused knows its `X-Request-Id` and nothing more; the log has the reason, and so
//! has this as long as the process lives and few enough requests are refused.
//!
//! This room must never hold more than a fixed number, nor what a line of the log doesn't have.

use super::{Event, Origin};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// How many are kept: some 600 KiB.
const MAX: usize = 4096;

static LATELY: Mutex<VecDeque<Refused>> = Mutex::new(VecDeque::new());

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its id.
    pub request_id: String,
    /// The name of the event.
    pub event: &'static str,
    /// The code of the refusal.
    pub code: &'static str,
    /// The beginning of the session's handle, where the session is known.
    pub session: Option<String>,
    /// The user, where known.
    pub user: Option<String>,
    /// The address of the client.
    pub address: Option<IpAddr>,
}

/// The request with this id, if it was one of the last 4096 that were refused.
#[must_use]
pub fn refused_lately(request_id: &str) -> Option<Refused> {
    let lately = LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut newest_first = lately.iter().rev();
    newest_first
        .find(|refused| refused.request_id == request_id)
        .cloned()
}

/// Keeps the refusal, in place of the oldest where there is no room.
pub(super) fn keep(event: &Event<'_>, origin: &Origin) {
    let (code, session, user) = match event {
        Event::TokenRefused { code, session } => (code, session.as_ref(), None),
        Event::AccessDenied {
            code,
            user,
            session,
        } => (code, Some(session), Some(user)),
        Event::LoginFailed { code, user, .. } => (code, None, user.as_ref()),
        Event::SignupRefused { code } => (code, None, None),
        _ => return,
    };
    let Some(request_id) = origin.request_id.clone() else {
        return;
    };
    let refused = Refused {
        request_id,
        event: event.name(),
        code,
        session: session.map(|handle| handle.to_string().trim_end_matches('…').to_owned()),
        user: user.map(ToString::to_string),
        address: origin.address,
    };
    let mut lately = LATELY.lock().unwrap_or_else(PoisonError::into_inner);
    if lately.len() >= MAX {
        lately.pop_front();
    }
    lately.push_back(refused);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::audit::{MaskedHandle, UserId};

    fn origin(id: &str) -> Origin {
        Origin {
            request_id: Some(id.to_owned()),
            address: Some([192, 0, 2, 1].into()),
        }
    }

    #[test]
    fn a_refusal_is_found_by_its_request_and_shows_no_more_than_the_log() {
        let handle = "Zk3aPq9xW0mC7vTt1bN4sQe8rYu2iOp5lKj6hGf3dSA";
        let denied = Event::AccessDenied {
            code: "role_missing",
            user: UserId::new("u1"),
            session: MaskedHandle::of(handle),
        };
        keep(&denied, &origin("of-a-test-that-was-denied"));
        let found = refused_lately("of-a-test-that-was-denied").unwrap();
        assert_eq!((found.event, found.code), ("access_denied", "role_missing"));
        assert_eq!(found.session.as_deref(), Some(&handle[..8]));
        assert_eq!(found.user.as_deref(), Some("u1"));
        assert_eq!(refused_lately("of-no-test"), None);
        let code = "token_expired";
        let session = None;
        keep(&Event::TokenRefused { code, session }, &Origin::default());
        assert_eq!(
            refused_lately(""),
            None,
            "without an id nobody can ask for it"
        );
    }

    #[test]
    fn no_more_than_a_fixed_number_is_kept() {
        let code = "token_expired";
        for number in 0..MAX + 10 {
            let session = None;
            keep(
                &Event::TokenRefused { code, session },
                &origin(&format!("flood-{number}")),
            );
        }
        assert!(LATELY.lock().unwrap().len() <= MAX);
        assert_eq!(refused_lately("flood-0"), None);
        assert!(refused_lately(&format!("flood-{}", MAX + 9)).is_some());
    }
}
