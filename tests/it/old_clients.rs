//! What old clients sent, byte for byte, gets them everything from our service that they got when they were recorded:
//! signed in, their contacts changed, heard and seen.

use crate::walkthrough::player::Player;
use crate::walkthrough::unit::{Line, Unit, decoded};

/// What of the second recording ours cannot say, and why.
const EXCUSED: [(&str, &str); 5] = [
    ("LSG ", "groups that were made before the recording began"),
    ("LST N=carol@example.com", "a contact of before the recording"),
    ("NLN NLN alice@example.com Älice%20<&>%20日本%20x ", "a name of before the recording"),
    ("218 ", "an unchanged setting is echoed; there are clients whose session 218 ends"),
    ("ACK 24", "nobody was left to hear it; ours answers NAK"),
];

/// Lines that tell of something the other server has and ours has not: mail, an address book, unset phone numbers.
fn is_their_own(unit: &Unit) -> bool {
    let verb = unit.line.split(' ').next().unwrap_or_default();
    matches!(verb, "NOT" | "BPR" | "GTC" | "BLP") || unit.line.starts_with("MSG Hotmail")
}

/// What of a line a client acts on: the verb and what it answers, or who is told about and in what state.
fn gist(unit: &Unit) -> String {
    let words: Vec<String> = unit.line.split(' ').map(decoded).collect();
    let kept = match words.first().map(String::as_str) {
        // Who and how.
        Some("NLN") => 4,
        Some("ILN") => 5,
        Some("JOI" | "BYE" | "FLN") => 2,
        Some("IRO") => 5,
        // From whom or about what: the words of a message are compared too.
        _ => 2,
    };
    words.into_iter().take(kept).collect::<Vec<_>>().join(" ")
}

/// What was recorded on a connection and did not come from ours.
fn missing(player: &Player, line: &Line) -> Vec<String> {
    let came: Vec<(String, &[u8])> =
        line.actual.iter().map(|unit| (gist(unit), unit.payload.as_slice())).collect();
    let wanted = line.recorded.iter().filter(|unit| !is_their_own(unit) && **unit != Unit::closed());
    let wanted = wanted.map(|unit| {
        let renamed = Unit { line: player.renamed(&unit.line), payload: player.renamed_bytes(&unit.payload) };
        (gist(&renamed), renamed.payload, unit)
    });
    let unheard = wanted.filter(|(gist, payload, _)| {
        !came.iter().any(|(own, said)| own == gist && (!gist.starts_with("MSG") || said == payload))
    });
    unheard.map(|(_, _, unit)| unit.line.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_libpurple_and_amsn_sent_gets_them_what_they_came_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut player = Player::new(directory.path()).await;
    // The second begins where the first ends: alice and bob know each other.
    let mut wrong = Vec::new();
    for file in ["clients/libpurple-msnp9-basic", "clients/amsn-msnp11-walkthrough"] {
        player.lines.clear();
        player.play(file).await;
        for (tag, line) in player.lines.iter().filter(|(tag, _)| tag.contains(".NS") || tag.contains(".SB")) {
            wrong.extend(missing(&player, line).into_iter().map(|line| format!("{file} [{tag}] {line}")));
        }
        let pages = player.lines.iter().filter(|(tag, _)| tag.contains(".TLS"));
        let told =
            pages.flat_map(|(_, line)| &line.actual).filter(|unit| unit.line.contains("DALogin=")).count();
        assert!(told >= 2, "{told} clients were told where to sign in");
    }
    for (excused, reason) in EXCUSED {
        let before = wrong.len();
        wrong.retain(|line| !line.contains(&format!("] {excused}")));
        assert!(wrong.len() < before, "nothing needs the excuse «{reason}»");
    }
    assert!(wrong.is_empty(), "{} lines never came:\n{}", wrong.len(), wrong.join("\n"));
}
