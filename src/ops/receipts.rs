//! Receipts of ends, as operators read them and hand them on.
//!
//! This room must never answer with a key but the public ones.

use super::answer::{Answer, LatestReceipt, Receipt, ReceiptsHead, ReceiptsStatus};
use super::error::OpsError;
use super::handles;
use super::request::ReceiptsRequest;
use super::steps::Steps;
use crate::lacre::Lacre;
use crate::receipts::{Event, Line, ReceiptsError};
use crate::service::Service;
use crate::sessions::end::Ended;
use crate::sessions::receipting::Receipts;
use crate::token::Handle;
use std::sync::Arc;

/// The most lines of one page.
const PAGE: usize = 1000;
/// How many of the last receipts are shown.
const LATEST: usize = 20;

pub(super) async fn perform(
    service: &Service,
    request: ReceiptsRequest,
    steps: &Steps,
) -> Result<Answer, OpsError> {
    let lacre = service.lacre();
    let receipts = lacre.receipts().ok_or(ReceiptsError::NotKept)?;
    match request {
        ReceiptsRequest::Show { handle } => {
            let handle = handles::find(lacre, &handle).await?;
            let found = receipts.find(&handle).await?;
            let found: Vec<_> = found.iter().filter_map(shown).collect();
            if found.is_empty() {
                return Err(OpsError::ReceiptUnknown);
            }
            Ok(Answer::Receipts(found))
        }
        ReceiptsRequest::Status => Ok(Answer::ReceiptsStatus(status(receipts).await)),
        ReceiptsRequest::Keys => {
            let keys = receipts.keys().into_iter();
            Ok(Answer::ReceiptKeys(
                keys.map(|key| key.members().clone()).collect(),
            ))
        }
        ReceiptsRequest::Export => {
            let export = receipts.export().await?;
            let (mut lines, total) = (export.lines, export.head.entry.seq);
            let mut done = 0;
            loop {
                let read = tokio::task::spawn_blocking(move || {
                    let page: Result<Vec<_>, _> = lines.by_ref().take(PAGE).collect();
                    (lines, page)
                });
                let (rest, page) = read.await.map_err(ReceiptsError::unavailable)?;
                lines = rest;
                let mut page = page?;
                done += page.len() as u64;
                let is_last = page.len() < PAGE;
                if is_last {
                    page.push(export.head.text().to_owned());
                    return Ok(Answer::ReceiptLines(page));
                }
                if let Err(page) = steps.page(Answer::ReceiptLines(page)).await {
                    return Ok(page);
                }
                steps.progress(done, total);
            }
        }
    }
}

async fn status(receipts: &Arc<Receipts>) -> ReceiptsStatus {
    let now = receipts.status(LATEST).await;
    let latest = now.latest.into_iter();
    ReceiptsStatus {
        head: now.head.map(|head| ReceiptsHead {
            kid: head.key.id().unwrap_or_default(),
            chain: head.chain,
            seq: head.seq,
            hash: head.hash,
        }),
        failing: now
            .failing
            .map(|error| (error.code().to_owned(), error.to_string())),
        latest: latest
            .map(|receipt| LatestReceipt {
                seq: receipt.seq,
                handle: receipt.sid,
                ended_at: receipt.ended_at,
                cause: receipt.cause,
            })
            .collect(),
    }
}

/// A receipt for an operator; `None` for a line that isn't one of an end.
fn shown(line: &Line) -> Option<Receipt> {
    let Event::End(end) = &line.entry.event else {
        return None;
    };
    Some(Receipt {
        chain: line.entry.chain.clone(),
        seq: line.entry.seq,
        hash: line.hash(),
        handle: end.sid.clone(),
        ended_at: end.ended_at,
        written_at: line.entry.iat,
        cause: end.cause.clone(),
        by: end.by.clone(),
        record: end.record.clone(),
        kid: line.kid.clone(),
        line: line.text().to_owned(),
    })
}

/// The receipt of the end that was just made; `None` where it isn't there, which is logged.
pub(super) async fn of_now(lacre: &Lacre, handle: &Handle) -> Option<(u64, String)> {
    let receipts = lacre.receipts()?;
    receipts.write_soon().await.ok()?;
    let receipt = receipts.recent(handle)?;
    Some((receipt.seq, receipt.hash))
}

/// The receipt of this end; `None` where it isn't there, which is logged.
pub(super) async fn of_end(lacre: &Lacre, end: &Ended) -> Option<(u64, String)> {
    let found = lacre.receipts()?.find_end(end).await.ok()??;
    Some((found.entry.seq, found.hash()))
}
