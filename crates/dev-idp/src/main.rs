//! Runs the stand-ins for a person to try Portvakt against.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use dev_idp::{Client, DevIdp, DevIdpConfig, IdentityProvider};
use tokio::signal::unix::{SignalKind, signal};

/// A local stand-in for Maskinporten, Texas and an API.
#[derive(Parser)]
#[command(name = "dev-idp")]
struct Args {
    /// Where tokens are minted and introspected
    #[arg(long, default_value = "127.0.0.1:7164")]
    idp: SocketAddr,

    /// Where the sample API answers
    #[arg(long, default_value = "127.0.0.1:9000")]
    api: SocketAddr,

    /// The client that /oauth2/introspect is to ask for
    #[arg(long, requires = "client_secret")]
    client_id: Option<String>,

    /// Its secret
    #[arg(long, requires = "client_id")]
    client_secret: Option<String>,
    /// The identity providers whose tokens are minted and introspected
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "maskinporten"
    )]
    identity_providers: Vec<IdentityProvider>,
}

impl Args {
    fn config(self) -> DevIdpConfig {
        let client = self.client_id.zip(self.client_secret);
        DevIdpConfig {
            idp: self.idp,
            api: self.api,
            identity_providers: self.identity_providers,
            client: client.map(|(id, secret)| Client { id, secret }),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse().config()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is gone, there is nobody left to tell.
            let _ = writeln!(io::stderr(), "dev-idp: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: DevIdpConfig) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let idp = DevIdp::start(config).await?;
    // Goes on without a reader: the output may be a closed pipe.
    let _ = writeln!(
        io::stdout(),
        "dev-idp: ready, tokens and introspection on http://{}, API on http://{}",
        idp.idp_addr(),
        idp.api_addr(),
    );
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    idp.stop().await;
    Ok(())
}
