//! The keys that a deployment goes by: which are in use, and new ones in their place.
//!
//! This room must never answer with a key, but for the names and sizes of public ones.

use super::answer::{Answer, IssuerKey, IssuerKeys, Keys, MasterKey, Rotated, SigningKey};
use super::error::OpsError;
use super::request::KeysRequest;
use super::steps::Steps;
use crate::clock::UnixSeconds;
use crate::federation::{Algorithm, IssuerStatus, PublicKeyInfo};
use crate::service::{Caller, Service};
use crate::sessions::rotation::{KeysNow, MasterNow, SignerNow};

pub(super) async fn perform(
    service: &Service,
    caller: &Caller,
    request: &KeysRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    match request {
        KeysRequest::Status => status(service, steps).await.map(Answer::Keys),
        KeysRequest::Rotate {
            master,
            signing,
            keep_earlier,
            drop_earlier,
        } => {
            let mut rotated = Rotated::default();
            // First what may be refused, last what takes a while: a master key that is in use already, and no
            // new signing key, would be half of what was asked for.
            if *signing && !*drop_earlier {
                service.lacre().rotation().has_room_for_signer()?;
            }
            let begun = if *master {
                Some(service.rotate_master_key(caller, *keep_earlier).await?)
            } else {
                None
            };
            if *signing {
                let signer = service.rotate_signing_key(caller, *drop_earlier).await?;
                rotated.signing = Some(signer.id);
                rotated.accepted = signer.accepted;
                rotated.accepted_until = signer.until;
                rotated.forwards_at = Some(signer.forwards_at);
            }
            if let Some(begun) = begun {
                let progress = |done, total| steps.progress(done, total);
                let done = begun.finish(progress).await?;
                rotated.master = Some(done.id);
                rotated.made = done.made;
                rotated.rewrapped = done.rewrapped;
                rotated.removed = done.removed;
                rotated.unneeded = done.unneeded;
                rotated.master_keys_lie = Some(service.lacre().rotation().master_keys_lie());
            }
            Ok(Answer::Rotated(rotated))
        }
    }
}

async fn status(service: &Service, steps: &Steps) -> Result<Keys, OpsError> {
    let lacre = service.lacre();
    let total = lacre.keystore().stats().await?.records;
    let progress = |done: u64| steps.progress(done, total.max(done));
    let keys: KeysNow = lacre.rotation().now(progress).await?;
    let now = lacre.now();
    let issuers = service.federation().status().into_iter();
    Ok(Keys {
        now,
        master_keys_lie: keys.master_keys_lie,
        master: keys.masters.iter().map(master).collect(),
        signing: keys.signers.into_iter().map(signing).collect(),
        rewrapping: keys.rewrapping,
        issuers: issuers.map(|issuer| shown(issuer, now)).collect(),
    })
}

fn master(key: &MasterNow) -> MasterKey {
    MasterKey {
        id: key.id,
        since: key.since,
        records: key.records,
        notes: key.notes,
        retiring: key.retiring,
    }
}

fn signing(key: SignerNow) -> SigningKey {
    SigningKey {
        id: key.id,
        since: key.since,
        accepted_until: key.until,
        forwards: key.forwards,
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
