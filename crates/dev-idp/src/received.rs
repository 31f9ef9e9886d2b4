//! What happens to every introspection request before it is answered: it is
//! read whole, recorded, and met with the fault, if one is set.

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::connection::HangUp;
use crate::failing::apply;
use crate::state::Shared;

/// Read at most. The endpoints refuse far less; this is only not to fill the memory.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Reads and records a request, applies the fault, and passes the request on.
pub(crate) async fn received(
    State(state): State<Shared>,
    Extension(hang_up): Extension<HangUp>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    // A body that breaks off counts as a request without one.
    let body = to_bytes(body, MAX_BODY).await.unwrap_or_default();
    state.record_introspection(parts.uri.path(), &parts.headers, &body);
    if let Some(fault) = state.fault()
        && let Some(response) = apply(fault, &state, hang_up).await
    {
        return response;
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}
