//! The keys that a deployment goes by: which are in use.
//!
//! This room must never answer with a key, but for the names and sizes of public ones.

use super::answer::{Answer, IssuerKey, IssuerKeys, Keys};
use super::request::KeysRequest;
use crate::clock::UnixSeconds;
use crate::federation::{Algorithm, IssuerStatus, PublicKeyInfo};
use crate::service::Service;

pub(super) fn perform(service: &Service, request: &KeysRequest) -> Answer {
    match request {
        KeysRequest::Status => Answer::Keys(status(service)),
    }
}

fn status(service: &Service) -> Keys {
    let lacre = service.lacre();
    let now = lacre.now();
    let issuers = service.federation().status().into_iter();
    Keys {
        master: lacre.keystore().master_key_ids(),
        signing: lacre.signing_key_ids(),
        issuers: issuers.map(|issuer| shown(issuer, now)).collect(),
    }
}

fn shown(issuer: IssuerStatus, now: UnixSeconds) -> IssuerKeys {
    let ago = issuer.read_ago.map(|ago| ago.as_secs());
    IssuerKeys {
        name: issuer.name,
        issuer: issuer.issuer,
        accept: issuer.accept.name().to_owned(),
        source: issuer.source,
        read_at: ago.map(|ago| now.saturating_sub(ago)),
        failing: issuer.failing.map(|error| error.code().to_owned()),
        keys: issuer.keys.into_iter().map(key).collect(),
    }
}

fn key(info: PublicKeyInfo) -> IssuerKey {
    let names = info.algorithms.into_iter().map(Algorithm::name);
    IssuerKey {
        kid: info.kid,
        kty: info.kty.to_owned(),
        bits: info.bits,
        sha256: info.sha256,
        algorithms: names.map(str::to_owned).collect(),
    }
}
