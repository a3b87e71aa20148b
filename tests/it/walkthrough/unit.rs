//! What a server said, cut into lines with their payloads.

use tokio::net::TcpStream;

/// A line and its payload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unit {
    pub(crate) line: String,
    pub(crate) payload: Vec<u8>,
}

impl Unit {
    pub(crate) fn closed() -> Self {
        Self { line: "(closed)".into(), payload: Vec::new() }
    }
}

/// Cuts what a server said into units; takes them out of `bytes`.
pub(crate) fn units(bytes: &mut Vec<u8>) -> Vec<Unit> {
    let mut found = Vec::new();
    while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
        let line = String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned();
        let counted = matches!(line.get(..3), Some("MSG" | "NOT" | "UBX" | "GCF" | "UUX" | "IPG"));
        let length =
            if counted { line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0) } else { 0 };
        if bytes.len() < end + 1 + length {
            break;
        }
        let payload = bytes[end + 1..end + 1 + length].to_vec();
        bytes.drain(..end + 1 + length);
        found.push(Unit { line, payload });
    }
    found
}

/// A word without escapes but for the blank.
pub(crate) fn decoded(word: &str) -> String {
    percent_encoding::percent_decode_str(&word.replace("%20", "%2520")).decode_utf8_lossy().into_owned()
}

/// One connection as it was recorded and as it came out.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) stream: Option<TcpStream>,
    pub(crate) recorded: Vec<Unit>,
    pub(crate) recorded_rest: Vec<u8>,
    pub(crate) actual: Vec<Unit>,
    pub(crate) actual_rest: Vec<u8>,
    pub(crate) closed: bool,
    /// Units that ours says less, so far.
    pub(crate) owing: usize,
}

/// The number of the request that a unit answers, if it says one.
pub(crate) fn trid(unit: &Unit) -> Option<u32> {
    unit.line.split(' ').nth(1)?.parse().ok()
}

/// What one server said on a connection, and which of it has its partner on the other side.
pub(crate) struct Side {
    pub(crate) units: Vec<Unit>,
    pub(crate) paired: Vec<bool>,
}

/// The longest common subsequence: for each side, which units have a partner.
pub(crate) fn pair(theirs: &[Unit], ours: &[Unit]) -> (Vec<bool>, Vec<bool>) {
    let (n, m) = (theirs.len(), ours.len());
    let mut best = vec![vec![0u32; m + 1]; n + 1];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            best[i][j] = match theirs[i] == ours[j] {
                true => best[i + 1][j + 1] + 1,
                false => best[i + 1][j].max(best[i][j + 1]),
            };
        }
    }
    let (mut left, mut right) = (vec![false; n], vec![false; m]);
    let (mut i, mut j) = (0, 0);
    while i < n && j < m {
        if theirs[i] == ours[j] {
            (left[i], right[j]) = (true, true);
            (i, j) = (i + 1, j + 1);
        } else if best[i + 1][j] >= best[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    (left, right)
}

/// A name without what stands before it.
pub(crate) fn bare(word: &str) -> String {
    word.strip_prefix("C=").unwrap_or(word).to_owned()
}
