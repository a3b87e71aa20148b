//! Recorded dialogues: read, and cut into connections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The bytes of one direction of one connection, and where each stands in its file.
#[derive(Debug, Default, Clone)]
pub(crate) struct Flow {
    pub(crate) bytes: Vec<u8>,
    /// Offset in `bytes` and line number in the file, for each record.
    pub(crate) records: Vec<(usize, usize)>,
}

impl Flow {
    /// The line of the record that holds this byte.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        let at = self.records.partition_point(|(start, _)| *start <= offset);
        self.records.get(at.saturating_sub(1)).map_or(0, |(_, line)| *line)
    }
}

/// One TCP connection of a recording.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recorded {
    pub(crate) file: String,
    pub(crate) tag: String,
    pub(crate) client: Flow,
    pub(crate) server: Flow,
}

impl Recorded {
    pub(crate) fn is_notification(&self) -> bool {
        self.kind().starts_with("NS")
    }

    pub(crate) fn is_switchboard(&self) -> bool {
        self.kind().starts_with("SB")
    }

    /// `NS`, `SB2`, `TLS1`: the tag without whose it is.
    fn kind(&self) -> &str {
        self.tag.split('.').next_back().unwrap_or_default()
    }
}

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

/// Every connection of every recording, by file and in the order of their beginning.
pub(crate) fn all() -> Vec<Recorded> {
    let mut found = Vec::new();
    let mut files = vec![];
    for folder in [directory(), directory().join("clients")] {
        let entries =
            std::fs::read_dir(folder).expect("tests/transcripts").flatten().map(|entry| entry.path());
        files.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "txt")));
    }
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a transcript");
        found.extend(connections(&name, &text));
    }
    found
}

/// What happened next in a recording, on one of its connections.
#[derive(Debug)]
pub(crate) enum Step {
    Connected(String),
    Client(String, Vec<u8>),
    Server(String, Vec<u8>),
    ClientClosed(String),
    ServerClosed(String),
}

/// A whole recording in its order.
pub(crate) fn steps(file: &str) -> Vec<Step> {
    let text = std::fs::read_to_string(directory().join(format!("{file}.txt"))).expect("a transcript");
    let mut steps = Vec::new();
    for line in text.lines() {
        if let Some((tag, rest)) = line.strip_prefix("# [").and_then(|remark| remark.split_once("] ")) {
            let tag = tag.to_owned();
            match rest {
                rest if rest.starts_with("TCP connect") || rest == "connect" => {
                    steps.push(Step::Connected(tag))
                }
                "server closed the connection" | "server closed" => steps.push(Step::ServerClosed(tag)),
                "client closes TCP" | "client closed" => steps.push(Step::ClientClosed(tag)),
                _ => {}
            }
            continue;
        }
        let Some((from_client, tag, record)) = said(line) else { continue };
        let (tag, bytes) = (tag.to_owned(), unescape(record));
        steps.push(if from_client { Step::Client(tag, bytes) } else { Step::Server(tag, bytes) });
    }
    steps
}

/// A line of a recording that somebody said: whether the client did, on which connection, and what.
fn said(line: &str) -> Option<(bool, &str, &str)> {
    let (from_client, rest) = match line.strip_prefix(">>> [") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("<<< [")?),
    };
    rest.split_once("] ").map(|(tag, record)| (from_client, tag, record))
}

fn connections(file: &str, text: &str) -> Vec<Recorded> {
    let mut open: BTreeMap<String, usize> = BTreeMap::new();
    let mut found: Vec<Recorded> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if let Some(remark) = line.strip_prefix("# [") {
            let Some((tag, rest)) = remark.split_once("] ") else { continue };
            // Through the gateway each request is a connection, and all of them are one dialogue.
            if (rest.starts_with("TCP connect") || rest == "connect") && !tag.contains(".gw") {
                open.remove(tag);
            }
            continue;
        }
        let Some((from_client, tag, record)) = said(line) else { continue };
        let at = *open.entry(tag.to_owned()).or_insert_with(|| {
            found.push(Recorded { file: file.to_owned(), tag: tag.to_owned(), ..Recorded::default() });
            found.len() - 1
        });
        let flow = if from_client { &mut found[at].client } else { &mut found[at].server };
        flow.records.push((flow.bytes.len(), number));
        flow.bytes.extend(unescape(record));
    }
    found.extend(found.iter().filter_map(unwrapped).collect::<Vec<_>>());
    found
}

/// The dialogue that was carried by the gateway: `A.gwNS` is `A.NS` without its HTTP.
fn unwrapped(gateway: &Recorded) -> Option<Recorded> {
    let (who, kind) = gateway.tag.split_once(".gw").filter(|(_, kind)| matches!(*kind, "NS" | "SB"))?;
    let (client, server) = (bodies(&gateway.client), bodies(&gateway.server));
    Some(Recorded { file: gateway.file.clone(), tag: format!("{who}.{kind}"), client, server })
}

/// What the requests or answers of a flow hold of the protocol: their bodies, where the type says so.
fn bodies(flow: &Flow) -> Flow {
    let mut found = Flow::default();
    let mut begin = 0;
    while let Some(end) = flow.bytes[begin..].windows(4).position(|window| window == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&flow.bytes[begin..begin + end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let body = begin + end + 4;
        begin = (body + length.unwrap_or(0)).min(flow.bytes.len());
        if head.contains("content-type: application/x-msn-messenger") {
            let inside = flow.records.iter().filter(|(at, _)| (body..begin).contains(at));
            found.records.extend(inside.map(|(at, line)| (found.bytes.len() + at - body, *line)));
            found.bytes.extend_from_slice(&flow.bytes[body..begin]);
        }
    }
    found
}

fn unescape(record: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = record.chars();
    let mut buffer = [0; 4];
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        match rest.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            Some(other) => out.extend_from_slice(other.encode_utf8(&mut buffer).as_bytes()),
            None => out.push(b'\\'),
        }
    }
    out
}
