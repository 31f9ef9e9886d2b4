//! The introspection endpoint of one provider, which decides by a token's number and can be made
//! to fail. (The local identity provider signs and verifies its tokens: fifty thousand of them
//! would take longer than the run.)

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fault::{Fault, Faults};
use crate::run::Run;
use crate::sabotage::Sabotage;
use crate::token::{ISSUER, Provider, Token};
use crate::wire::{Message, Wire};

/// An endpoint.
pub struct Endpoint {
    /// Whose.
    pub provider: Provider,
    /// The run.
    pub run: Run,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// How many questions it was asked.
    pub questions: AtomicU64,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Endpoint {
    /// Serves, but for when it is to be down, until the task is aborted.
    pub async fn serve(self: Arc<Self>, mut listener: TcpListener) {
        let address = listener.local_addr().unwrap();
        let mut fault = self.faults.at(self.provider).subscribe();
        loop {
            self.accept(listener, &mut fault).await;
            let up = fault.wait_for(|fault| *fault != Some(Fault::Down)).await;
            drop(up);
            listener = listen_again(address).await;
        }
    }

    /// Until it is down, and with it all connections.
    async fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        fault: &mut watch::Receiver<Option<Fault>>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = fault.wait_for(|fault| *fault == Some(Fault::Down)) => return,
                accepted = listener.accept() => {
                    let (stream, _) = accepted.unwrap();
                    let endpoint = Arc::clone(self);
                    connections.spawn(async move { endpoint.connection(stream).await });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn connection(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream);
        while let Some(question) = wire.request().await? {
            let number = self.questions.fetch_add(1, Ordering::Relaxed);
            let fault = *self.faults.at(self.provider).borrow();
            let (status, body) = match fault {
                None | Some(Fault::Flapping | Fault::Overload) => (200, self.answer(&question)),
                Some(Fault::Slow) => {
                    tokio::time::sleep(slowness(number)).await;
                    (200, self.answer(&question))
                }
                Some(Fault::Down) => return Ok(()),
                Some(Fault::Resetting) => {
                    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"active\":true,";
                    wire.stream.write_all(half).await?;
                    return wire.stream.set_zero_linger();
                }
                Some(Fault::Garbage) => (200, "<html>welcome</html>".to_owned()),
                Some(Fault::TooManyRequests) => (429, "{}".to_owned()),
                Some(Fault::ServerError) => (503, "{}".to_owned()),
                Some(Fault::Forbidden) => (403, "{}".to_owned()),
            };
            let length = body.len();
            let json = "content-type: application/json";
            let answer =
                format!("HTTP/1.1 {status} x\r\n{json}\r\ncontent-length: {length}\r\n\r\n{body}");
            wire.stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    /// What it says about the token in question, now.
    fn answer(&self, question: &Message) -> String {
        let text = match self.provider {
            Provider::Texas => {
                let body: Value = serde_json::from_slice(&question.body).unwrap();
                body["token"].as_str().map(str::to_owned)
            }
            // The form's one field; nothing in these tokens is escaped.
            Provider::Rfc7662 => {
                let body = str::from_utf8(&question.body).unwrap();
                body.strip_prefix("token=").map(str::to_owned)
            }
        };
        let index = text.as_deref().and_then(Token::index_of);
        let token = index.map(|index| Token::of(&self.run, index));
        let token = token.filter(|token| token.provider == self.provider);
        let now = self.run.now();
        match token {
            Some(token) if (token.active.0..token.active.1).contains(&now) => {
                let mut said = json!({
                    "active": true,
                    "scope": token.scope,
                    "exp": token.expires_at / 1000,
                    "client_id": token.client_id(),
                    "consumer": { "authority": "iso6523-actorid-upis", "ID": token.consumer },
                });
                if self.provider == Provider::Texas {
                    said["iss"] = json!(ISSUER);
                }
                if let Some(sabotage) = self.sabotage {
                    sabotage.answer(&mut said, &token);
                }
                said.to_string()
            }
            _ => r#"{"active":false}"#.to_owned(),
        }
    }
}

/// Most answers come in time, some do not.
fn slowness(number: u64) -> Duration {
    match number % 8 {
        0 => Duration::from_millis(1500),
        _ => Duration::from_millis(200),
    }
}

/// Connections of before may hold the port for a moment.
async fn listen_again(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}
