//! The rules that measurements live by, and the sessions that they begin.

use lacre::Rules;
use lacre::internals::sessions::grant::{Grant, Occasion, Origin, Subject};
use serde_json::Map;

pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";
pub(crate) const AUDIENCE: &str = "lacre";

/// The service's own rules, with tokens that outlive a long measurement.
pub(crate) fn rules() -> Rules {
    Rules {
        access_ttl: 24 * 3600,
        ..Rules::new(ISSUER, AUDIENCE)
    }
}

/// A log-in of this user, as the service grants it.
pub(crate) fn grant(user: usize) -> Grant {
    Grant {
        subject: Subject {
            id: format!("{user:_>22}"),
            email: Some(format!("{user}@example.com")),
            roles: vec!["user".to_owned()],
            ..Subject::default()
        },
        occasion: Occasion::LogIn,
        user_session: None,
        origin: Origin {
            label: None,
            address: Some("192.0.2.1".to_owned()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
        },
        additional: Map::new(),
    }
}
