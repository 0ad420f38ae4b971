//! What stands before every route that may change something: a change that could not be recorded is not
//! made, and one that is recorded is written to the log before it is answered.
//!
//! This room must never let a change be made whose audit event would be lost.

use super::super::problem::{Code, Problem};
use crate::telemetry;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

pub(in crate::http) async fn audited(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !telemetry::has_room() {
        let refused = request.error_response(Problem::new(Code::AuditUnavailable));
        return Ok(refused.map_into_right_body());
    }
    let answered = next.call(request).await?;
    let error = answered.response().error();
    let told = error.and_then(|error| error.as_error::<Problem>());
    // Who found the queue of passwords full has changed nothing, and comes in a rush: all of them would be held, and
    // woken for each line.
    if told.is_none_or(|problem| problem.code() != Code::HashingBusy) {
        telemetry::written().await;
    }
    Ok(answered.map_into_left_body())
}
