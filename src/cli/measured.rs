//! What a running server's page of metrics shows beside its requests.
//!
//! This room must never name a metric that docs/operating.md doesn't explain.

use lacre::Lacre;
use lacre::clock::SystemClock;
use lacre::internals::accounts::Accounts;
use lacre::internals::http::metrics::{Measured, Reading};
use lacre::internals::service::Service;
use lacre::internals::telemetry;
use lacre::internals::telemetry::audit::{self, Counted};
use lacre::internals::telemetry::process::Process;

/// Asks everybody who measures something.
pub(super) async fn measure(
    service: &Service,
    clock: &SystemClock,
    certificate_expires_at: u64,
) -> Vec<Measured> {
    let mut all = vec![Measured {
        name: "lacre_build_info",
        help: "Which version this is.",
        value: Reading::Info("version", env!("CARGO_PKG_VERSION").into()),
    }];
    all.extend(service.node().map(|name| Measured {
        name: "lacre_node_info",
        help: "Which node this is, by the name that its directory has.",
        value: Reading::Info("node", name.to_owned().into()),
    }));
    all.extend(sessions(service.lacre()));
    all.extend(events());
    all.extend(hashing(service.accounts()));
    all.extend(log());
    all.extend(time(clock));
    all.push(gauge(
        "lacre_tls_certificate_expires_timestamp_seconds",
        "When the certificate of the public listener expires, in Unix seconds; 0 where there is none.",
        certificate_expires_at,
    ));
    all.extend(keystore(service.lacre()).await);
    all.extend(receipts(service.lacre()));
    all.extend(keys(service.lacre()));
    all.extend(lease(service.lacre()));
    all.extend(process());
    all
}

fn sessions(lacre: &Lacre) -> [Measured; 4] {
    let timed = lacre.timed();
    [
        Measured {
            name: "lacre_session_issue_duration_seconds",
            help: "Time to begin a session, until its record is durable.",
            value: Reading::Histogram(timed.issued),
        },
        Measured {
            name: "lacre_token_open_duration_seconds",
            help: "Time to verify a token whose content key wasn't kept: its first use, or no good one.",
            value: Reading::Histogram(timed.opened),
        },
        gauge(
            "lacre_content_keys",
            "Tokens whose content keys are kept.",
            timed.content_keys as u64,
        ),
        gauge(
            "lacre_token_largest_bytes",
            "Bytes of the longest token that was issued since the start.",
            lacre.largest_token() as u64,
        ),
    ]
}

/// The audit events, counted.
fn events() -> Vec<Measured> {
    const FAMILIES: [(Counted, &str, &str, &str); 8] = [
        (
            Counted::LogIns,
            "lacre_log_ins_total",
            "Log-ins by outcome: succeeded, or why not.",
            "outcome",
        ),
        (
            Counted::SignupsRefused,
            "lacre_signups_refused_total",
            "Sign-ups refused, by code.",
            "code",
        ),
        (
            Counted::TokensRefused,
            "lacre_tokens_refused_total",
            "Tokens refused, by the true reason.",
            "code",
        ),
        (
            Counted::AccessDenied,
            "lacre_access_denied_total",
            "Good tokens that lacked a right, or may have been sent by another site.",
            "code",
        ),
        (
            Counted::SessionsStarted,
            "lacre_sessions_started_total",
            "Sessions begun, by who asked.",
            "by",
        ),
        (
            Counted::SessionsEnded,
            "lacre_sessions_ended_total",
            "Sessions ended, by cause; refresh_reused is a theft.",
            "cause",
        ),
        (
            Counted::AccountChanges,
            "lacre_account_changes_total",
            "Changes of accounts, by what changed.",
            "change",
        ),
        (
            Counted::OperatorActs,
            "lacre_operator_acts_total",
            "What operators did that concerns no single account, by action.",
            "action",
        ),
    ];
    let counts = audit::counts();
    let family = |(kind, name, help, label)| {
        let of_kind = counts.iter().filter(|((found, _), _)| *found == kind);
        let values = of_kind
            .map(|((_, value), count)| (*value, *count))
            .collect();
        let value = Reading::By(label, values);
        Measured { name, help, value }
    };
    FAMILIES.map(family).into()
}

fn hashing(accounts: &Accounts) -> [Measured; 1] {
    [gauge(
        "lacre_hashing_queue_length",
        "Passwords that wait to be hashed.",
        accounts.queue_length() as u64,
    )]
}

fn log() -> [Measured; 4] {
    let log = telemetry::counts();
    [
        gauge(
            "lacre_audit_queued",
            "Audit events that are not written to the log yet.",
            log.audit_waiting,
        ),
        gauge(
            "lacre_log_discarded",
            "1 where the stream of audit events is /dev/null, so that nothing is recorded.",
            u64::from(telemetry::is_discarded()),
        ),
        counter(
            "lacre_audit_refusals_dropped_total",
            "Audit events of refused requests that were dropped, since nobody read the log.",
            log.refusals_dropped,
        ),
        counter(
            "lacre_log_dropped_total",
            "Lines of the log that were dropped, since nobody read it; no audit events.",
            log.ordinary_dropped,
        ),
    ]
}

fn time(clock: &SystemClock) -> [Measured; 2] {
    [
        gauge(
            "lacre_clock_off_seconds",
            "Seconds between the machine's clock and the time that lacre goes by, ahead or behind.",
            clock.off_by(),
        ),
        counter(
            "lacre_clock_jumps_total",
            "Times that the machine's clock was found to be more than five seconds off.",
            clock.jumps(),
        ),
    ]
}

/// Nothing where the store can't answer, which readiness says.
async fn keystore(lacre: &Lacre) -> Vec<Measured> {
    let Ok(stats) = lacre.keystore().stats().await else {
        return Vec::new();
    };
    vec![
        gauge(
            "lacre_keystore_records",
            "Session records, expired ones that are not swept yet included.",
            stats.records,
        ),
        gauge(
            "lacre_keystore_bytes",
            "Bytes that the keystore's files take.",
            stats.bytes_on_disk,
        ),
        counter(
            "lacre_keystore_changes_total",
            "Records put, changed or removed.",
            stats.writes.changes,
        ),
        counter(
            "lacre_keystore_flushes_total",
            "Groups of changes that were made durable together.",
            stats.writes.groups,
        ),
        Measured {
            name: "lacre_keystore_flush_seconds_total",
            help: "Time that making groups durable took.",
            value: Reading::Seconds(stats.writes.time),
        },
    ]
}

fn receipts(lacre: &Lacre) -> Vec<Measured> {
    let Some((written, failing)) = lacre.receipts_written() else {
        return Vec::new();
    };
    vec![
        gauge(
            "lacre_receipts_written",
            "Lines of the signed log of ends.",
            written,
        ),
        gauge(
            "lacre_receipts_failing",
            "1 where no receipts of ends can be written: the ends wait for them.",
            u64::from(failing.is_some()),
        ),
    ]
}

/// What isn't known of a key is left out.
fn keys(lacre: &Lacre) -> Vec<Measured> {
    let (master, signing) = lacre.key_ages();
    let master = master.map(|age| {
        gauge(
            "lacre_master_key_age_seconds",
            "Since when the master key seals that is in use.",
            age,
        )
    });
    let signing = signing.map(|age| {
        gauge(
            "lacre_signing_key_age_seconds",
            "Since when the signing key signs that is in use.",
            age,
        )
    });
    [master, signing].into_iter().flatten().collect()
}

/// Where the store is shared with other nodes.
fn lease(lacre: &Lacre) -> Vec<Measured> {
    let Some(lease) = lacre.lease() else {
        return Vec::new();
    };
    vec![
        gauge(
            "lacre_lease_held",
            "1 where this node may go by what it last heard from the store.",
            u64::from(lease.held),
        ),
        Measured {
            name: "lacre_lease_age_seconds",
            help: "Time since the question was sent that the lease is by.",
            value: Reading::Seconds(lease.age),
        },
        counter(
            "lacre_lease_rounds_total",
            "Times that the lease was renewed.",
            lease.rounds,
        ),
        counter(
            "lacre_lease_lapses_total",
            "Times that the lease had run out before it was renewed.",
            lease.lapses,
        ),
        counter(
            "lacre_lease_generations_total",
            "Times that something may have been missed, so that everything was read once more.",
            lease.generations,
        ),
        counter(
            "lacre_feed_changes_total",
            "Ends and changes that this node has heard of by the store.",
            lease.heard,
        ),
    ]
}

/// Under the names that the libraries of Prometheus give them.
fn process() -> Vec<Measured> {
    let read = Process::read();
    let mut all = Vec::new();
    if let Some(cpu) = read.cpu {
        all.push(Measured {
            name: "process_cpu_seconds_total",
            help: "Processor time of this process, user and system.",
            value: Reading::Seconds(cpu),
        });
    }
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Memory in use.",
            read.resident_bytes,
        ),
        (
            "process_open_fds",
            "Files and connections open.",
            read.open_fds,
        ),
        ("process_max_fds", "How many may be open.", read.max_fds),
        ("process_threads", "Threads.", read.threads),
    ] {
        all.extend(value.map(|value| gauge(name, help, value)));
    }
    all
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Measured {
    let value = Reading::Gauge(value);
    Measured { name, help, value }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Measured {
    let value = Reading::Counter(value);
    Measured { name, help, value }
}
