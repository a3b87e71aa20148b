//! Plays a conversation through all three networks and checks it. It watches with what shares no code with the bridge:
//! Matrix by `/sync` as the user, IRC by a raw socket, MSN by an independent client library. Every text carries a number
//! of this run, so that nothing older can be taken for it.

mod irc;
mod matrix;
mod msn;
mod sealed;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;

/// How long each line may take to be seen somewhere.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Debug, Parser)]
struct Args {
    #[arg(long)]
    homeserver: String,
    #[arg(long)]
    user: String,
    #[arg(long)]
    password: String,
    /// host:port
    #[arg(long)]
    irc: String,
    #[arg(long)]
    channel: String,
    /// host:port of the notification server
    #[arg(long)]
    ns: String,
    #[arg(long)]
    nexus: String,
    /// The contact that is played.
    #[arg(long)]
    account: String,
    #[arg(long)]
    account_password: String,
    /// The contact that answers by itself.
    #[arg(long)]
    answering: String,
    /// The MSN account of the bridged user.
    #[arg(long)]
    peer: String,
}

async fn within<T>(what: &str, future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result.with_context(|| what.to_owned()),
        Err(_) => bail!("{what}: nothing within {PATIENCE:?}"),
    }
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    match converse(Args::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("  FAILED  {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Bytes of this run.
fn some_bytes(run: u32, count: u32) -> Vec<u8> {
    (0..count).map(|at| (run.wrapping_add(at).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn same(what: &str, got: &[u8], sent: &[u8]) -> anyhow::Result<()> {
    if got != sent {
        bail!("{what}: {} bytes came, and not those that were sent", got.len());
    }
    Ok(())
}

async fn download(link: &str) -> anyhow::Result<Vec<u8>> {
    let answer = reqwest::get(link).await?.error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}

async fn converse(args: Args) -> anyhow::Result<()> {
    let run: u32 = rand::random();
    let mut irc =
        within("IRC", irc::Watcher::join(&args.irc, &format!("w{:x}", run % 0xFFFF), &args.channel)).await?;
    let mut matrix =
        within("Matrix", matrix::Watcher::log_in(&args.homeserver, &args.user, &args.password)).await?;
    let mut msn =
        within("MSN", msn::Contact::sign_in(&args.ns, &args.nexus, &args.account, &args.account_password))
            .await?;

    let words = format!("hello from MSN, run {run:08x}");
    println!("  MSN     {}: {words}", args.account);
    within("calling the bridged user on MSN", msn.say(&args.peer, &words)).await?;
    let (room, sender) = within("the line from MSN in Matrix", matrix.see(&words)).await?;
    println!("  Matrix  seen, said by {sender}");
    let nick = within("the line from MSN on IRC", irc.see(&words)).await?;
    println!("  IRC     seen, said by {nick}");

    let words = format!("hello from Matrix, run {run:08x}");
    println!("  Matrix  {}: {words}", args.user);
    within("writing on Matrix", matrix.say(&room, &words)).await?;
    within("the line from Matrix on MSN", msn.see(&words)).await?;
    println!("  MSN     seen");
    let nick = within("the line from Matrix on IRC", irc.see(&words)).await?;
    println!("  IRC     seen, said by {nick}");

    let words = format!("hello from IRC, run {run:08x}");
    println!("  IRC     {}: {words}", irc.nick);
    within("writing on IRC", irc.say(&words)).await?;
    within("the line from IRC on MSN", msn.see(&words)).await?;
    println!("  MSN     seen");
    let (_, sender) = within("the line from IRC in Matrix", matrix.see(&words)).await?;
    println!("  Matrix  seen, said by {sender}");

    let (name, file) = (format!("from MSN {run:08x}.bin"), some_bytes(run, 20_000));
    println!("  MSN     {} sends the file «{name}», {} bytes", args.account, file.len());
    // It comes to an end only when the file is taken.
    let (given, taken) = tokio::join!(
        within("sending a file on MSN", msn.give(&args.peer, &name, &file)),
        within("the file from MSN in Matrix", matrix.take(&name))
    );
    given?;
    same("the file from MSN", &taken?, &file)?;
    println!("  Matrix  the same bytes");
    let link = within("a link to the file from MSN on IRC", irc.link(&name)).await?;
    same("the link to the file from MSN", &within("the link on IRC", download(&link)).await?, &file)?;
    println!("  IRC     the same bytes, behind a link");

    let (name, file) = (format!("from Matrix {run:08x}.bin"), some_bytes(!run, 20_000));
    println!("  Matrix  {} sends the file «{name}», {} bytes", args.user, file.len());
    within("sending a file on Matrix", matrix.give(&room, &name, &file)).await?;
    same("the file from Matrix", &within("the file from Matrix on MSN", msn.take()).await?, &file)?;
    println!("  MSN     the same bytes");
    let link = within("a link to the file from Matrix on IRC", irc.link(&name)).await?;
    same("the link to the file from Matrix", &within("the link on IRC", download(&link)).await?, &file)?;
    println!("  IRC     the same bytes, behind a link");
    talk_in_secret(&args, run).await
}

/// The user has the room of a contact that answers be encrypted, and talks there.
async fn talk_in_secret(args: &Args, run: u32) -> anyhow::Result<()> {
    let logged_in = sealed::Sealed::log_in(&args.homeserver, &args.user, &args.password);
    let mut matrix = within("Matrix with keys", logged_in).await?;
    let name = format!("msn_{}", args.answering.replace('@', "=40"));
    let room = within("an encrypted room", matrix.encrypted_room_with(&name)).await?;
    let words = format!("a secret, run {run:08x}");
    println!("  Matrix  {}, encrypted: {words}", args.user);
    within("writing in an encrypted room", matrix.say(&room, &words)).await?;
    let sender = within("the answer in an encrypted room", matrix.see(&format!("You said: {words}"))).await?;
    println!("  Matrix  answered, encrypted, by {sender}");
    Ok(())
}
