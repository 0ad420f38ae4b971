//! `GET /openapi.json`: what this service can be asked, for programs.
//!
//! This room must never make the document: it is handed what the table says.

use super::super::answer::Answer;
use super::super::schema::{Kind, Shape};
use super::contract::{Contract, Success, SuccessContent};
use actix_web::web::Data;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The document as it is answered: written once.
#[derive(Debug, Clone)]
pub(super) struct Document(Arc<RawValue>);

impl Document {
    pub(super) fn of(document: &Value) -> Self {
        // A value always can be written.
        let text = serde_json::value::to_raw_value(document).unwrap_or_default();
        Self(text.into())
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Shape for Document {
    fn kind() -> Kind {
        Kind::AnyObject
    }
}

pub(super) const OPENAPI: Contract = Contract {
    summary: "This description.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(Document::kind),
        headers: &[],
    },
    codes: &[],
};

/// `GET /openapi.json`
pub(super) async fn openapi(document: Data<Document>) -> Answer<Document> {
    Answer::ok(Document::clone(&document))
}
