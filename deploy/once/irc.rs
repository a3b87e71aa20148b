//! A raw socket in a channel.

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

pub(crate) struct Watcher {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    channel: String,
    pub(crate) nick: String,
}

impl Watcher {
    pub(crate) async fn join(server: &str, nick: &str, channel: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(server).await.with_context(|| format!("connecting to {server}"))?;
        let (reader, writer) = stream.into_split();
        let (channel, nick) = (channel.to_owned(), nick.to_owned());
        let mut watcher = Self { reader: BufReader::new(reader), writer, channel, nick };
        let hello = format!("NICK {0}\r\nUSER {0} 0 * :{0}\r\n", watcher.nick);
        watcher.writer.write_all(hello.as_bytes()).await?;
        watcher.line(" 001 ").await?;
        let join = format!("JOIN {}\r\n", watcher.channel);
        watcher.writer.write_all(join.as_bytes()).await?;
        watcher.line(" 366 ").await?;
        Ok(watcher)
    }

    async fn line(&mut self, part: &str) -> anyhow::Result<String> {
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).await? == 0 {
                bail!("the IRC server closed the connection");
            }
            if let Some(token) = line.strip_prefix("PING ") {
                self.writer.write_all(format!("PONG {token}").as_bytes()).await?;
            } else if line.contains(part) {
                return Ok(line);
            }
        }
    }

    pub(crate) async fn say(&mut self, words: &str) -> anyhow::Result<()> {
        let line = format!("PRIVMSG {} :{words}\r\n", self.channel);
        Ok(self.writer.write_all(line.as_bytes()).await?)
    }

    /// Waits for a line about a file of this name; gives the address in it.
    pub(crate) async fn link(&mut self, name: &str) -> anyhow::Result<String> {
        let line = self.line(&format!("«{name}»: http")).await?;
        let at = line.find("http").unwrap_or_default();
        Ok(line[at..].trim_end().trim_end_matches('\x01').to_owned())
    }

    /// Waits for these words; gives who said them.
    pub(crate) async fn see(&mut self, words: &str) -> anyhow::Result<String> {
        let line = self.line(words).await?;
        Ok(line.trim_start_matches(':').split('!').next().unwrap_or_default().to_owned())
    }
}
