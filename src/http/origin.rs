//! Where a request comes from, as its user will see it in the list of sessions.
//!
//! What is learnt here is shown and logged, and attempts are counted by it. `X-Forwarded-For` is read
//! only when the peer is one of the [`TrustedProxies`] that the application names; from everybody else
//! it is a claim like any other.
//!
//! This room must never let anybody in.

use super::request_id::RequestId;
use crate::network::{NotANetwork, Proxy};
use crate::sessions::grant::Origin;
use crate::telemetry::audit::{self, Event};
use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, USER_AGENT};
use std::net::IpAddr;
use std::sync::Arc;

/// The longest `User-Agent` and label that are kept.
const MAX_TEXT: usize = 200;

/// The proxies whose word about the client's address is taken, as data of the application: without it
/// the address of an audit event is that of the peer.
///
/// ```
/// use actix_web::App;
/// use lacre::TrustedProxies;
///
/// # fn main() -> Result<(), lacre::errors::NotANetwork> {
/// let proxies = TrustedProxies::parse(["10.0.0.0/8", "::1"])?;
/// let app = App::new().app_data(proxies);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[Proxy]>);

impl TrustedProxies {
    /// Trusts these peers.
    #[must_use]
    pub fn new(proxies: Vec<Proxy>) -> Self {
        Self(proxies.into())
    }

    /// Trusts peers with these addresses, or in these networks in CIDR form (RFC 4632 §3.1), or, by the
    /// word `unix`, those of a socket file. Fails where one is none of these.
    pub fn parse<'a>(proxies: impl IntoIterator<Item = &'a str>) -> Result<Self, NotANetwork> {
        let proxies = proxies.into_iter().map(str::parse);
        proxies.collect::<Result<_, _>>().map(Self::new)
    }

    /// Whether this peer is trusted; one without an address came through a socket file.
    fn contains(&self, peer: Option<IpAddr>) -> bool {
        self.0.iter().any(|proxy| match (proxy, peer) {
            (Proxy::Network(network), Some(address)) => network.contains(address),
            (Proxy::Unix, None) => true,
            _ => false,
        })
    }

    /// The nearest address that isn't a trusted proxy's: from the peer backwards through
    /// `X-Forwarded-For`, as long as each one is trusted.
    fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer;
        let lines: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .filter_map(|line| line.to_str().ok())
            .collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !self.contains(client) {
                break;
            }
            match hop_address(hop) {
                Some(address) => client = Some(address),
                None => break,
            }
        }
        client
    }

    /// The address of whoever sent `request`; `None` where it came through a socket file and no trusted
    /// proxy says from where.
    pub(super) fn sender(request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        match request.app_data::<Self>() {
            Some(proxies) => proxies.client(peer, request.headers()),
            None => peer,
        }
    }
}

/// The address of one hop, in the spellings that proxies write: alone, with a port behind it, in
/// brackets, in quotes, with the zone of an IPv6 address, or as IPv4 in IPv6.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let hop = hop
        .strip_prefix('"')
        .and_then(|hop| hop.strip_suffix('"'))
        .unwrap_or(hop);
    let alone = |text: &str| {
        let text = text.split_once('%').map_or(text, |(address, _)| address);
        text.parse::<IpAddr>().ok()
    };
    let address = match hop.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            let port = port.strip_prefix(':').unwrap_or(port);
            port.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then_some(())?;
            alone(address).filter(IpAddr::is_ipv6)
        }
        None => alone(hop).or_else(|| {
            Some(
                hop.parse::<std::net::SocketAddrV4>()
                    .ok()?
                    .ip()
                    .to_owned()
                    .into(),
            )
        }),
    };
    address.map(|address| address.to_canonical())
}

/// What the audit trail says of a request, and the events of what the edge itself refuses.
#[derive(Debug)]
pub(super) struct Trail {
    origin: audit::Origin,
}

impl Trail {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let request_id = RequestId::of(request);
        Self {
            origin: audit::Origin {
                request_id: request_id.map(|id| id.as_str().to_owned()),
                address: TrustedProxies::sender(request),
            },
        }
    }

    /// The request, for what the service records.
    pub(super) fn origin(&self) -> &audit::Origin {
        &self.origin
    }

    /// Writes the event, with the request that it belongs to.
    pub(super) fn record(&self, event: &Event<'_>) {
        event.record(&self.origin);
    }
}

/// What is kept of a request's origin, with the label that its sender gave.
pub(super) fn of(request: &HttpRequest, label: Option<&str>) -> Origin {
    let user_agent = request
        .headers()
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    Origin {
        label: label.and_then(shown),
        address: TrustedProxies::sender(request).map(|address| address.to_string()),
        user_agent: user_agent.and_then(shown),
    }
}

/// A text that may be shown on a terminal: no control characters, not too long, not empty.
fn shown(text: &str) -> Option<String> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(MAX_TEXT)
        .collect();
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn address(peer: &str, forwarded: &[&str]) -> String {
        let proxies = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
        let mut request = TestRequest::default()
            .app_data(proxies)
            .peer_addr(format!("{peer}:1").parse().unwrap());
        for line in forwarded {
            request = request.append_header(("X-Forwarded-For", *line));
        }
        of(&request.to_http_request(), None).address.unwrap()
    }

    #[test]
    fn only_a_trusted_peer_may_speak_for_another() {
        assert_eq!(address("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(address("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(address("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn without_trusted_proxies_the_peer_is_the_sender() {
        let request = TestRequest::default()
            .peer_addr("10.0.0.1:1".parse().unwrap())
            .append_header(("X-Forwarded-For", "198.51.100.7"))
            .to_http_request();
        let trail = Trail::of(&request);
        assert_eq!(trail.origin().address, Some([10, 0, 0, 1].into()));
        assert_eq!(of(&request, None).address.as_deref(), Some("10.0.0.1"));
        assert!(TrustedProxies::parse(["10.0.0.0/8", "ten"]).is_err());
        let nobody = TestRequest::default().to_http_request();
        assert_eq!(Trail::of(&nobody).origin().address, None);
    }

    #[test]
    fn a_peer_of_a_socket_file_is_a_proxy_only_where_that_is_said() {
        let sender = |trusted: &[&str], forwarded: Option<&str>| {
            let proxies = TrustedProxies::parse(trusted.iter().copied()).unwrap();
            let mut request = TestRequest::default().app_data(proxies);
            if let Some(line) = forwarded {
                request = request.append_header(("X-Forwarded-For", line));
            }
            let sender = TrustedProxies::sender(&request.to_http_request());
            sender.map(|address| address.to_string())
        };
        let client = Some("198.51.100.7".to_owned());
        assert_eq!(sender(&["unix"], Some("1.1.1.1, 198.51.100.7")), client);
        assert_eq!(sender(&["unix"], Some("nonsense")), None);
        assert_eq!(sender(&["unix"], None), None);
        assert_eq!(sender(&[], Some("198.51.100.7")), None);
        assert_eq!(sender(&["0.0.0.0/0", "::/0"], Some("198.51.100.7")), None);
        // The next proxy has to be trusted by its own address.
        let two = sender(&["unix", "10.0.0.0/8"], Some("198.51.100.7, 10.0.0.2"));
        assert_eq!(two, client);
    }

    #[test]
    fn what_the_client_wrote_itself_lies_behind_what_the_proxies_wrote() {
        assert_eq!(
            address("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]),
            "198.51.100.7"
        );
        assert_eq!(
            address("10.0.0.1", &["1.1.1.1", "198.51.100.7"]),
            "198.51.100.7"
        );
        assert_eq!(address("10.0.0.1", &["1.1.1.1, nonsense"]), "10.0.0.1");
    }

    #[test]
    fn an_address_is_read_in_every_spelling_that_proxies_write() {
        for (hop, due) in [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7 ", "203.0.113.7"),
            ("203.0.113.7:51234", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ("\"[2001:db8::7]:443\"", "2001:db8::7"),
            ("\"203.0.113.7\"", "203.0.113.7"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(address("10.0.0.1", &[hop]), due, "{hop}");
        }
        for hop in [
            "",
            "unknown",
            "_hidden",
            "203.0.113",
            "203.0.113.7:",
            "203.0.113.7:x",
            "203.0.113.7:99999",
            "[203.0.113.7]",
            "[2001:db8::7",
            "2001:db8::7]:1",
            "[2001:db8::7]:x",
            "\"203.0.113.7",
            "for=203.0.113.7",
            "203.0.113.7 1",
        ] {
            assert_eq!(address("10.0.0.1", &[hop]), "10.0.0.1", "{hop}");
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_is_kept() {
        assert_eq!(shown("a\u{1b}[2Jb\r\n"), Some("a[2Jb".to_owned()));
        assert_eq!(shown("\n"), None);
        assert_eq!(shown(&"é".repeat(300)).unwrap().chars().count(), MAX_TEXT);
    }
}
