//! Starting, stopping, and what is kept of the requests.

use std::io::ErrorKind;

use dev_idp::{DevIdp, DevIdpConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{RFC7662, TEXAS, post, start, url};

#[tokio::test]
async fn introspections_are_counted_and_the_last_is_kept() {
    let idp = start().await;
    assert_eq!((idp.introspections(), idp.last_introspection()), (0, None));
    for (number, path) in [(1, TEXAS), (2, RFC7662)] {
        let body = format!("no form at all {number}");
        post(&url(idp.idp_addr(), path), "text/plain", body.clone()).await;
        let last = idp.last_introspection().unwrap();
        assert_eq!(idp.introspections(), number);
        assert_eq!((last.path.as_str(), last.body), (path, body.into_bytes()));
        let content_type = ("content-type".to_owned(), b"text/plain".to_vec());
        assert!(last.headers.contains(&content_type), "{:?}", last.headers);
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = start().await;
    for taken in [first.idp_addr(), first.api_addr()] {
        let config = DevIdpConfig {
            api: taken,
            ..DevIdpConfig::default()
        };
        let error = DevIdp::start(config).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let expected = format!("cannot listen on {taken}: Address already in use");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn stopping_ends_listening_and_connections() {
    for stop in [true, false] {
        let idp = start().await;
        let addr = idp.idp_addr();
        let mut open = TcpStream::connect(addr).await.unwrap();
        open.write_all(b"GET /healthz HTTP/1.1\r\nhost: idp\r\n\r\n")
            .await
            .unwrap();
        assert!(open.read(&mut [0; 1024]).await.unwrap() > 0);
        if stop {
            idp.stop().await;
        } else {
            drop(idp);
        }
        assert_eq!(open.read(&mut [0; 1024]).await.unwrap(), 0);
        let refused = TcpStream::connect(addr).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}
