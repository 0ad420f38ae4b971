//! A list of web origins as the value of a key.
//!
//! This room must never take what no browser sends.

use super::kind::{Bad, Kind};
use super::written::Written;
use crate::web_origin::{NotAnOrigin, WebOrigin};

/// Web origins.
pub(super) struct Origins;

impl Kind for Origins {
    type Value = Vec<WebOrigin>;

    fn read(&self, written: &Written) -> Result<Vec<WebOrigin>, Bad> {
        let words = written.items().ok_or(Bad)?;
        let origins: Result<_, NotAnOrigin> = words.iter().map(|word| word.parse()).collect();
        origins.map_err(|NotAnOrigin| Bad)
    }

    fn shown(&self, value: &Vec<WebOrigin>) -> String {
        let words: Vec<_> = value.iter().map(WebOrigin::as_str).collect();
        format!("{words:?}")
    }

    fn takes(&self) -> String {
        "a list of origins as browsers send them, such as `https://app.example.org`, without `*`, \
         `null` and anything behind the host and port"
            .to_owned()
    }

    fn is_list(&self) -> bool {
        true
    }

    #[cfg(test)]
    fn samples(&self) -> proptest::strategy::BoxedStrategy<String> {
        use proptest::prelude::*;
        let one = ("(https|http)", "[a-z0-9]{1,8}(\\.[a-z]{1,5})?", 1024_u16..)
            .prop_map(|(scheme, host, port)| format!("{scheme}://{host}:{port}"));
        prop::collection::vec(one, 0..4)
            .prop_map(|list| list.join(","))
            .boxed()
    }
}
