//! Whether an answer is one that the table of routes promises.

use super::http::Answer;
use lacre::internals::http::routes::{RouteInfo, SuccessContent};

/// What is wrong with an answer of this route; `None` where the table promises it.
pub(crate) fn broken_by(route: &RouteInfo, answer: &Answer) -> Option<String> {
    let broken = |why: &str| {
        Some(format!(
            "{} {}: {why}: {answer:?}",
            route.method, route.pattern
        ))
    };
    if answer.status >= 400 {
        let code = answer.json()["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let promised = route
            .codes()
            .into_iter()
            .find(|known| known.as_str() == code);
        return match promised {
            Some(known) if known.status().as_u16() == answer.status => None,
            _ => broken("a code that isn't promised"),
        };
    }
    let success = route.contract.success;
    if answer.status != success.status {
        return broken("a status that isn't promised");
    }
    let kept = match success.content {
        SuccessContent::Nothing => answer.body.is_empty(),
        SuccessContent::Text(text) => answer.text() == text,
        SuccessContent::Json(kind) => kind().describes(&answer.json()),
    };
    if kept {
        None
    } else {
        broken("a content that isn't promised")
    }
}
