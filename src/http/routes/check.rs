//! `GET /headers` and `GET /open`: the smallest guarded resource and the smallest optional one, by
//! which a client checks its token.

use super::super::answer::Answer;
use super::super::guard::AnySession;
use super::super::schema::Shape as _;
use super::answers::{VisitorAnswer, VisitorUser};
use super::contract::{Contract, Success, SuccessContent};

const GRANTED: &str = "Access Granted";

pub(in crate::http) const HEADERS: Contract = Contract {
    summary: "Says that the token was good.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Text(GRANTED),
        headers: &[],
    },
    codes: &[],
};

/// `GET /headers`: the sentence that says that the token was good.
pub(in crate::http) async fn headers(_session: AnySession) -> Answer {
    Answer::text(GRANTED)
}

pub(in crate::http) const OPEN: Contract = Contract {
    summary: "For everyone; says whose token came, if one did.",
    body: None,
    query: &[],
    success: Success {
        status: 200,
        content: SuccessContent::Json(VisitorAnswer::kind),
        headers: &[],
    },
    codes: &[],
};

/// `GET /open`: for everyone; says whose token came, if one did.
pub(in crate::http) async fn open(session: Option<AnySession>) -> Answer<VisitorAnswer> {
    let user = session.as_ref().map(VisitorUser::from);
    Answer::ok(VisitorAnswer { user })
}
