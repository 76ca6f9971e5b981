// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tells by its exit code what a pod can reach. Runs inside pods of the isolation tests.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, lookup_host},
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// Ends with 0 when the thing asked for worked within the time, else with 1.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    what: What,
    /// Seconds after which an attempt counts as failed
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
}

#[derive(Subcommand)]
enum What {
    /// Open a TCP connection
    Tcp { host: String, port: u16 },
    /// Resolve a name
    Dns { name: String },
    /// Answer every connection with one line of HTTP until the signal to end
    Serve { port: u16 },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let limit = Duration::from_secs(args.seconds);
    let outcome = match args.what {
        What::Tcp { host, port } => within(limit, connect(&host, port)).await,
        What::Dns { name } => within(limit, resolve(&name)).await,
        What::Serve { port } => serve(port, limit).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn within(limit: Duration, attempt: impl Future<Output = Result<()>>) -> Result<()> {
    timeout(limit, attempt).await.with_context(|| format!("no answer within {} s", limit.as_secs()))?
}

async fn connect(host: &str, port: u16) -> Result<()> {
    let stream =
        TcpStream::connect((host, port)).await.with_context(|| format!("connecting to {host}:{port}"))?;
    println!("connected to {}", stream.peer_addr()?);
    Ok(())
}

async fn resolve(name: &str) -> Result<()> {
    let addresses: Vec<_> = lookup_host((name, 0))
        .await
        .with_context(|| format!("resolving {name}"))?
        .map(|address| address.ip())
        .collect();
    if addresses.is_empty() {
        bail!("{name} has no address");
    }
    println!("{name} is {addresses:?}");
    Ok(())
}

async fn serve(port: u16, limit: Duration) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let listener =
        TcpListener::bind(("0.0.0.0", port)).await.with_context(|| format!("listening on port {port}"))?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                tokio::spawn(timeout(limit, answer(stream)));
            }
            _ = terminate.recv() => return Ok(()),
        }
    }
}

/// Reads the request's head first: closing with unread bytes would reset the connection.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 16 * 1024 {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&chunk[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n").await?;
    stream.shutdown().await
}
