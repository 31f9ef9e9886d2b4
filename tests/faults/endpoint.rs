//! The endpoint fails.

use std::cell::RefCell;
use std::time::Duration;

use dev_idp::Fault;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gateway::{Gateway, Setup, until};
use crate::line::{Line, State};
use crate::load::Load;
use crate::model::Spares;
use crate::recorder::Recorder;
use crate::report::{Report, Row};
use crate::scene::{ANSWERS, setup, under_load};
use crate::stats::lookups;

/// What the endpoint or the line to it does.
#[derive(Clone, Debug)]
enum Trouble {
    Endpoint(Fault),
    Line(State),
    /// The line is cut and there again in turn.
    Flaps,
}

pub fn rows() -> Vec<Row> {
    let endpoint = Trouble::Endpoint;
    let status = |status| Trouble::Endpoint(Fault::Status { status });
    let cases = [
        (
            "endpoint down: connection refused",
            Trouble::Line(State::Down),
            Spares::Known,
        ),
        (
            "endpoint slow: no answer within the timeout",
            endpoint(Fault::Hold),
            Spares::Known,
        ),
        (
            "endpoint resetting in mid-answer",
            endpoint(Fault::Reset),
            Spares::Known,
        ),
        ("endpoint hanging up", endpoint(Fault::Close), Spares::Known),
        (
            "endpoint flapping, 200 ms up and down",
            Trouble::Flaps,
            Spares::Known,
        ),
        ("endpoint answering 500", status(500), Spares::Known),
        ("endpoint answering 429", status(429), Spares::Known),
        ("endpoint answering 400", status(400), Spares::TokenLess),
        ("endpoint answering 401", status(401), Spares::TokenLess),
        ("endpoint answering 404", status(404), Spares::TokenLess),
        (
            "endpoint answering garbage",
            endpoint(Fault::Garbage),
            Spares::TokenLess,
        ),
        (
            "endpoint answering 1 MB",
            endpoint(Fault::Huge { bytes: 1 << 20 }),
            Spares::TokenLess,
        ),
        (
            "endpoint drip-feeding: a byte in 10 ms",
            Trouble::Line(State::Drips),
            Spares::Known,
        ),
        (
            "identity provider out, says the endpoint",
            endpoint(Fault::Outage),
            Spares::Known,
        ),
    ];
    cases
        .into_iter()
        .map(|(name, trouble, spares)| Row::new(name, move || run(trouble.clone(), spares)))
        .collect()
}

async fn run(trouble: Trouble, spares: Spares) -> Report {
    let (api, line) = (Recorder::start().await, Line::open().await);
    let gateway = Gateway::start(Setup {
        endpoint: Some(line.address),
        ..setup(&api)
    })
    .await;
    line.leads_to(gateway.idp.idp_addr());
    let flapping = RefCell::new(JoinSet::new());
    let state = line.state();
    let on = async |gateway: &Gateway, load: &Load| {
        match &trouble {
            Trouble::Endpoint(fault) => gateway.idp.set_fault(Some(fault.clone())),
            Trouble::Line(state) => line.set(*state),
            Trouble::Flaps => {
                flapping.borrow_mut().spawn(flap(state));
            }
        }
        load.shows(20).await;
        load.answers(ANSWERS).await;
        // Only what keeps the endpoint from answering makes a token outlive `max_ttl`.
        if spares == Spares::Known {
            until("known tokens outlive their time", async || {
                gateway.stat(&lookups("stale")).await > 0
            })
            .await;
        } else {
            until("known tokens do not outlive their time", async || {
                load.concerns_known()
            })
            .await;
        }
    };
    let off = async |gateway: &Gateway| {
        gateway.idp.set_fault(None);
        flapping.take().shutdown().await;
        line.set(State::Up);
    };
    under_load(gateway, &api, spares, on, off).await
}

async fn flap(line: watch::Sender<State>) {
    for state in [State::Down, State::Up].into_iter().cycle() {
        line.send_replace(state);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
