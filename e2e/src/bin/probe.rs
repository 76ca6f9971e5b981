// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Checks what a pod can reach, and reports the result by its exit code. Runs in pods of the isolation tests.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, lookup_host},
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// Exits with 0 if the attempt succeeded within the time limit, else with 1.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    attempt: Attempt,
    /// Seconds after which an attempt counts as failed
    #[arg(long, global = true, default_value_t = 5)]
    seconds: u64,
}

#[derive(Subcommand)]
enum Attempt {
    /// Open a TCP connection
    Tcp { host: String, port: u16 },
    /// Resolve a name
    Dns { name: String },
    /// Answer every connection with one line of HTTP until SIGTERM
    Serve { port: u16 },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let limit = Duration::from_secs(args.seconds);
    let outcome = match args.attempt {
        Attempt::Tcp { host, port } => with_timeout(limit, connect(&host, port)).await,
        Attempt::Dns { name } => with_timeout(limit, resolve(&name)).await,
        Attempt::Serve { port } => serve(port, limit).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn with_timeout(limit: Duration, attempt: impl Future<Output = Result<()>>) -> Result<()> {
    timeout(limit, attempt).await.with_context(|| format!("no answer within {} s", limit.as_secs()))?
}

async fn connect(host: &str, port: u16) -> Result<()> {
    let stream =
        TcpStream::connect((host, port)).await.with_context(|| format!("cannot connect to {host}:{port}"))?;
    println!("connected to {}", stream.peer_addr()?);
    Ok(())
}

async fn resolve(name: &str) -> Result<()> {
    let addresses: Vec<_> = lookup_host((name, 0))
        .await
        .with_context(|| format!("cannot resolve {name}"))?
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
    let listener = TcpListener::bind(("0.0.0.0", port))
        .await
        .with_context(|| format!("cannot listen on port {port}"))?;
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

/// Reads the head of the request first: closing a connection with unread bytes would reset it.
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
