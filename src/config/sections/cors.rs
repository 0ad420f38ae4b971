//! `[cors]`: pages of other origins.

use crate::config::key::{DefaultValue, Key, Row, key};
use crate::config::origins::Origins;
use crate::config::reader::{Noted, Reader};
use crate::web_origin::WebOrigin;

/// Which pages of other origins may call the service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CorsConfig {
    /// Their origins.
    pub origins: Vec<WebOrigin>,
}

static ORIGINS: Key<Origins> = key(
    "cors.origins",
    Origins,
    DefaultValue::Value(Vec::new),
    "Origins whose pages may call every route with a token in `Authorization` and read the answers, \
     errors included. Compared byte by byte with what the browser sends; there is no `*`. Cookies of such \
     requests are neither read nor set. Without any, only pages of the service's own origin can \
     read its answers.",
);

pub(super) static KEYS: &[&dyn Row] = &[&ORIGINS];

impl CorsConfig {
    pub(in crate::config) fn read(reader: &mut Reader) -> Result<Self, Noted> {
        let origins = reader.value(&ORIGINS);
        Ok(Self { origins: origins? })
    }
}
