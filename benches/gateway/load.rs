//! Clients on connections that stay open: as many requests as go, or so many a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::traffic::Traffic;

/// Clients that send their next request as soon as the last one is answered.
const CLIENTS: usize = 16;

/// Connections for requests at a fixed rate: enough that none has to wait for another's answer.
const PACED_CONNECTIONS: usize = 64;

/// Load on one gateway.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub traffic: Arc<Traffic>,
}

/// Connected clients.
pub struct Clients(Vec<Connection>);

impl Load {
    pub async fn connect(&self) -> Clients {
        let mut connections = Vec::new();
        for _ in 0..CLIENTS {
            connections.push(Connection::open(self.address).await);
        }
        Clients(connections)
    }

    /// Sends so many requests in all, as fast as they are answered.
    pub async fn send(&self, clients: Clients, requests: usize) -> Clients {
        let left = Arc::new(std::sync::atomic::AtomicUsize::new(requests));
        self.each(clients, move |_| {
            let order = std::sync::atomic::Ordering::Relaxed;
            left.fetch_update(order, order, |left| left.checked_sub(1))
                .is_ok()
        })
        .await
        .0
    }

    /// Sends as many requests as are answered in that time; how many that were.
    pub async fn saturate(&self, clients: Clients, time: Duration) -> usize {
        let end = Instant::now() + time;
        self.each(clients, move |now| now < end).await.1
    }

    async fn each(
        &self,
        clients: Clients,
        go_on: impl Fn(Instant) -> bool + Clone + Send + 'static,
    ) -> (Clients, usize) {
        let mut tasks = JoinSet::new();
        for mut connection in clients.0 {
            let (traffic, go_on) = (Arc::clone(&self.traffic), go_on.clone());
            tasks.spawn(async move {
                let mut requests = 0;
                while go_on(Instant::now()) {
                    connection.exchange(&traffic).await;
                    requests += 1;
                }
                (connection, requests)
            });
        }
        let (connections, requests): (Vec<_>, Vec<usize>) =
            tasks.join_all().await.into_iter().unzip();
        (Clients(connections), requests.iter().sum())
    }

    /// Sends `rate` requests a second, whether or not others have been answered, and says how long
    /// each took from when it was to be sent: who had to wait to be sent has waited.
    pub async fn at_rate(&self, rate: u32, time: Duration) -> Vec<Duration> {
        let begin = Instant::now() + Duration::from_millis(10);
        let requests = (time.as_secs_f64() * f64::from(rate)) as u32;
        let next = Arc::new(Mutex::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..PACED_CONNECTIONS {
            let mut connection = Connection::open(self.address).await;
            let (traffic, next) = (Arc::clone(&self.traffic), Arc::clone(&next));
            tasks.spawn(async move {
                let mut taken = Vec::new();
                loop {
                    let due = {
                        let mut next = next.lock().await;
                        if *next == requests {
                            return taken;
                        }
                        let due = begin + Duration::from_secs(1) * *next / rate;
                        *next += 1;
                        // Timers are too coarse, and a processor that sleeps is slow to wake.
                        while Instant::now() < due {
                            tokio::task::yield_now().await;
                        }
                        due
                    };
                    connection.exchange(&traffic).await;
                    taken.push(due.elapsed());
                }
            });
        }
        tasks.join_all().await.into_iter().flatten().collect()
    }
}

/// A connection over which one request after the other is sent.
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            request: Vec::new(),
            response: Vec::new(),
        }
    }

    /// Sends the next request, and reads the answer to its end. Everybody is let in here.
    async fn exchange(&mut self, traffic: &Traffic) {
        traffic.write_next(&mut self.request);
        self.stream.write_all(&self.request).await.unwrap();
        self.response.clear();
        while !is_whole(&self.response) {
            let read = self.stream.read_buf(&mut self.response).await.unwrap();
            assert!(read > 0, "{}", self.response.escape_ascii());
        }
    }
}

/// Whether this is the whole answer, which must be a 200 with a length.
fn is_whole(response: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(response).unwrap() else {
        return false;
    };
    assert_eq!(head.code, Some(200), "{}", response.escape_ascii());
    let mut headers = head.headers.iter();
    let body = headers
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .parse::<usize>()
                .ok()
        });
    response.len() == length + body.expect("an answer without a length")
}
