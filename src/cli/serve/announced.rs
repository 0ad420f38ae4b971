//! Where the service is, said on standard output when it answers.

use crate::cli::stand_in::INSECURE_ISSUE;
use lacre::internals::http::server::Reached;
use lacre::internals::telemetry;
use tokio::sync::oneshot;

/// Said where the log would have said it.
const LOG_DISCARDED: &str = "lacre: standard error is /dev/null, or was closed: the log is discarded, and the audit \
                             events with it (log_discarded)";
/// The same where they have a stream of their own.
const AUDIT_DISCARDED: &str = "lacre: standard output is /dev/null, or was closed: the audit events are discarded \
                               (log_discarded)";

/// Where the listeners can be reached.
pub(super) struct Addresses {
    pub(super) public: Reached,
    pub(super) management: Reached,
    pub(super) gateway: Option<Reached>,
}

/// Announces on a thread of its own: whoever doesn't read on must not keep signals from being heard. The
/// thread ends with the process.
pub(super) fn announce_aside(
    dev: bool,
    insecure_issue: bool,
    addresses: Addresses,
) -> std::io::Result<oneshot::Receiver<std::io::Result<()>>> {
    let (said, announced) = oneshot::channel();
    std::thread::Builder::new()
        .name("lacre-announce".to_owned())
        .spawn(move || {
            let _ = said.send(announce(dev, insecure_issue, &addresses));
        })?;
    Ok(announced)
}

/// Says where the service is; the last line is the sign that it answers. Where standard output is the stream
/// of the audit, that is said on standard error.
fn announce(dev: bool, insecure_issue: bool, addresses: &Addresses) -> std::io::Result<()> {
    if telemetry::audit_has_standard_output() {
        announce_to(
            &mut std::io::stderr().lock(),
            dev,
            insecure_issue,
            addresses,
        )
    } else {
        announce_to(
            &mut std::io::stdout().lock(),
            dev,
            insecure_issue,
            addresses,
        )
    }
}

fn announce_to(
    out: &mut impl std::io::Write,
    dev: bool,
    insecure_issue: bool,
    addresses: &Addresses,
) -> std::io::Result<()> {
    if dev {
        write!(out, "{}", next_steps(&addresses.public))?;
    }
    if insecure_issue {
        writeln!(out, "{INSECURE_ISSUE}")?;
    }
    if telemetry::is_discarded() {
        let said = if telemetry::audit_has_standard_output() {
            AUDIT_DISCARDED
        } else {
            LOG_DISCARDED
        };
        writeln!(out, "{said}")?;
    }
    writeln!(out, "management on {}", addresses.management)?;
    if let Some(gateway) = &addresses.gateway {
        writeln!(out, "gateway on {gateway}")?;
    }
    writeln!(out, "listening on {}", addresses.public)?;
    out.flush()
}

fn next_steps(public: &Reached) -> String {
    // The line feed behind each body is for the terminal: JSON ends without one.
    let (url, curl) = match public {
        Reached::Tcp(_) => (public.to_string(), "curl".to_owned()),
        // Whom the certificate names is for whoever made it to know.
        Reached::Tls(_) => (public.to_string(), "curl -k".to_owned()),
        Reached::Unix(path) => {
            let path = path.display().to_string().replace('\'', "'\\''");
            (
                "http://lacre".to_owned(),
                format!("curl --unix-socket '{path}'"),
            )
        }
    };
    format!(
        r#"Next steps, to paste into another terminal:

  {curl} -sw '\n' {url}/signup -d email=ada@example.com -d 'password=correct horse battery'
  TOKEN=$({curl} -s {url}/getToken -d email=ada@example.com \
      -d 'password=correct horse battery' | sed 's/.*"auth":"\([^"]*\)".*/\1/')
  {curl} -iw '\n' {url}/me -H "Authorization: Bearer $TOKEN"
  {curl} -i -X POST {url}/logout -H "Authorization: Bearer $TOKEN"
  {curl} -iw '\n' {url}/me -H "Authorization: Bearer $TOKEN"

"#
    )
}
