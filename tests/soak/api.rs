//! The API behind the gateway: it tells what reached it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::Wire;

/// The request's number, as the API sees it.
pub const NUMBER: &str = "x-soak";
/// How long a body was that reached the API, for its client.
pub const RECEIVED: &str = "x-received";
/// What the filter told the API about the client; the API tells it back.
pub const CLIENT: &str = "x-client-id";

/// How often each request has reached the API.
pub struct Api(Vec<AtomicU8>);

impl Api {
    /// For so many requests.
    pub fn new(requests: u64) -> Self {
        Self((0..requests).map(|_| AtomicU8::new(0)).collect())
    }

    /// How often that request has reached it.
    pub fn received(&self, number: u64) -> u8 {
        self.0[usize::try_from(number).unwrap()].load(Ordering::SeqCst)
    }

    /// Serves until the task is aborted.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let api = Arc::clone(&self);
            tokio::spawn(async move { api.connection(stream).await });
        }
    }

    async fn connection(&self, stream: TcpStream) -> io::Result<()> {
        let mut wire = Wire::new(stream);
        while let Some(request) = wire.request().await? {
            let number: usize = request.field(NUMBER).unwrap().parse().unwrap();
            self.0[number].fetch_add(1, Ordering::SeqCst);
            let received = request.length;
            let mut answer = format!("HTTP/1.1 200 OK\r\n{RECEIVED}: {received}\r\n");
            if let Some(client) = request.field(CLIENT) {
                answer += CLIENT;
                answer += ": ";
                answer += client;
                answer += "\r\n";
            }
            answer.push_str("content-length: 0\r\n\r\n");
            wire.stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }
}
