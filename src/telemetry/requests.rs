//! The line of a request: what was asked, by whom, and how it was answered.
//!
//! A request is told by the pattern of its route and by codes of the program. This room must never be handed a
//! path, a query, a header field or a body.

use super::audit::{MaskedHandle, UserId};
use log::kv::Value;
use log::{Level, Log, Record};
use std::net::IpAddr;
use std::time::Duration;

/// The log target of these lines.
const TARGET: &str = "lacre::request";

/// Which requests have a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestLines {
    /// None.
    #[default]
    Off,
    /// Those that are answered with a status of 400 or above.
    Refused,
    /// All.
    All,
}

impl RequestLines {
    /// Whether a request that is answered with this status has one.
    #[must_use]
    pub fn wants(self, status: u16) -> bool {
        match self {
            Self::Off => false,
            Self::Refused => status >= 400,
            Self::All => true,
        }
    }
}

/// A request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Requested<'a> {
    /// Its id.
    pub request_id: &'a str,
    /// Its method, one of a fixed set.
    pub method: &'static str,
    /// The pattern of its route.
    pub route: &'a str,
    /// The status of its answer.
    pub status: u16,
    /// The code of the problem that it was answered with.
    pub code: Option<&'static str>,
    /// Whose session it has proven.
    pub user: Option<UserId<'a>>,
    /// The issuer of an outside token that it has proven, whose subject is `user`.
    pub issuer: Option<UserId<'a>>,
    /// The session.
    pub session: Option<MaskedHandle>,
    /// The address of the client.
    pub address: Option<IpAddr>,
    /// From its head to that of its answer.
    pub took: Duration,
}

impl Requested<'_> {
    /// Writes the line to the log.
    pub fn record(&self) {
        self.record_to(log::logger());
    }

    fn record_to(&self, logger: &dyn Log) {
        let address = self.address.map(|address| address.to_string());
        let micros = u32::try_from(self.took.as_micros()).unwrap_or(u32::MAX);
        let took_ms = f64::from(micros) / 1000.0;
        let mut fields = vec![
            ("request_id", Value::from(self.request_id)),
            ("method", Value::from(self.method)),
            ("route", Value::from(self.route)),
            ("status", Value::from(self.status)),
        ];
        if let Some(code) = self.code {
            fields.push(("code", Value::from(code)));
        }
        let ids = [("issuer", &self.issuer), ("user", &self.user)];
        for (name, id) in ids {
            fields.extend(id.iter().map(|id| (name, Value::from_display(id))));
        }
        if let Some(session) = &self.session {
            fields.push(("session", Value::from_display(session)));
        }
        if let Some(address) = &address {
            fields.push(("address", Value::from(address.as_str())));
        }
        fields.push(("took_ms", Value::from(took_ms)));
        logger.log(
            &Record::builder()
                .target(TARGET)
                .level(Level::Info)
                .args(format_args!(""))
                .key_values(&fields.as_slice())
                .build(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Captured;
    use super::*;

    fn line(requested: Requested<'_>) -> String {
        let captured = Captured::with_filter(None);
        requested.record_to(captured.logger());
        captured.line()
    }

    const BARE: Requested<'_> = Requested {
        request_id: "r1",
        method: "GET",
        route: "unmatched",
        status: 404,
        code: None,
        user: None,
        issuer: None,
        session: None,
        address: None,
        took: Duration::from_micros(1250),
    };

    #[test]
    fn a_request_is_one_line_with_what_is_known_of_it() {
        assert_eq!(
            line(BARE),
            "INFO lacre::request request_id=r1 method=GET route=unmatched status=404 took_ms=1.25"
        );
        let whole = Requested {
            route: "/sessions/{crt}",
            code: Some("not_found"),
            user: Some(UserId::new("u1")),
            issuer: Some(UserId::new("corp")),
            session: Some(MaskedHandle::of("Zk3aPq9x-and-what-nobody-may-see")),
            address: Some([192, 0, 2, 1].into()),
            ..BARE
        };
        assert_eq!(
            line(whole),
            "INFO lacre::request request_id=r1 method=GET route=/sessions/{crt} status=404 code=not_found \
             issuer=corp user=u1 session=Zk3aPq9x… address=192.0.2.1 took_ms=1.25"
        );
    }

    #[test]
    fn which_requests_have_a_line_is_told_by_the_status() {
        let wants = |lines: RequestLines| [200, 302, 399, 400, 401, 503].map(|s| lines.wants(s));
        assert_eq!(wants(RequestLines::Off), [false; 6]);
        assert_eq!(wants(RequestLines::All), [true; 6]);
        let refused = wants(RequestLines::Refused);
        assert_eq!(refused, [false, false, false, true, true, true]);
    }
}
