//! The bodies of the fuzz targets, on what was recorded, on what becomes of it when bytes are turned, and on anything.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::transcript::{Recorded, all};

#[path = "../fuzz/bodies.rs"]
mod bodies;

use bodies::BODIES;

/// Pieces of recordings for one target: whole streams where it reads streams, else what stands behind their lines.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for Recorded { client, server, .. } in all() {
        for bytes in [client.bytes, server.bytes] {
            match target {
                "framer" | "commands" | "notification" | "switchboard" => {
                    seeds.extend(bytes.chunks(2000).map(|piece| [&[23][..], piece].concat()));
                }
                "packet" | "peer" => {
                    let packets = after(&bytes, b"P2P-Dest: ").into_iter();
                    seeds.extend(packets.filter_map(|piece| {
                        let at = piece.windows(4).position(|window| window == b"\r\n\r\n")?;
                        let packet = piece[at + 4..].to_vec();
                        Some(if target == "peer" { [&[250][..], &packet].concat() } else { packet })
                    }));
                }
                "slp" => seeds.extend(
                    after(&bytes, b"INVITE MSNMSGR").into_iter().chain(after(&bytes, b"MSNSLP/1.0 ")),
                ),
                "file_context" => seeds.extend(
                    after(&bytes, b"Context: ")
                        .into_iter()
                        .map(|line| line[9..].split(|b| *b == b'\r').next().unwrap_or_default().to_vec()),
                ),
                "object" => seeds.extend(after(&bytes, b"<msnobj ")),
                "message" | "invitation" => seeds.extend(after(&bytes, b"MIME-Version")),
                "personal" => {
                    seeds.extend(after(&bytes, b"<Data>").into_iter().chain(after(&bytes, b"<NOTIFICATION")))
                }
                "text_style" => seeds.extend(
                    after(&bytes, b"X-MMS-IM-Format: ")
                        .into_iter()
                        .map(|line| line[17..].split(|b| *b == b'\r').next().unwrap_or_default().to_vec()),
                ),
                "tokens" => seeds.extend([
                    b"<E><Username>a</Username><Password>b</Password><RequestSecurityToken Id='RST1'><Address>x</Address></RequestSecurityToken></E>".to_vec(),
                    b"<E><RequestSecurityTokenResponse><Address>messengerclear.live.com</Address><Expires>2026-11-26T19:07:49Z</Expires><BinarySecurityToken>t=1&amp;p=</BinarySecurityToken><BinarySecret>AAECAwQFBgcICQoLDA0ODxAREhMUFRYX</BinarySecret></RequestSecurityTokenResponse></E>".to_vec(),
                    b"<E><Fault><faultcode>psf:Redirect</faultcode><redirectUrl>https://x/</redirectUrl></Fault></E>".to_vec(),
                ]),
                "msnftp" => seeds.extend([
                    b"\x10VER MSNFTP\r\nFIL 3000\r\n\x00\x05\x00hello\x00\x02\x00ab\x01\x00\x00".to_vec(),
                    b"\x11VER MSNFTP\r\nUSR bob@example.com 1\r\nTFR\r\nBYE 16777989\r\n".to_vec(),
                ]),
                "direct" => {
                    let nonce = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07";
                    let shown = [&[0; 28][..], &[0, 1, 0, 0], nonce].concat();
                    let packets = after(&bytes, b"P2P-Dest: ").into_iter().filter_map(|piece| {
                        let at = piece.windows(4).position(|window| window == b"\r\n\r\n")?;
                        let packet = &piece[at + 4..];
                        let length = u32::try_from(packet.len()).ok()?.to_le_bytes();
                        Some([b"\xF0\x30\0\0\0", &shown[..], &length, packet].concat())
                    });
                    seeds.extend(packets);
                }
                "challenge" => seeds.push(b"22210219642164014968\nPROD0090YUAUV{2B".to_vec()),
                _ => seeds.push(
                    b"SessionID=954547325.13160; GW-IP=192.0.2.1; Session=close\nAction=open&Server=NS&IP=x"
                        .to_vec(),
                ),
            }
        }
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

/// What fuzzing found once: a file `target-what` each.
#[test]
fn what_was_found_stays_mended() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/found");
    let mut read = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let target = name.split('-').next().unwrap_or_default();
        let (_, body) =
            BODIES.iter().find(|(known, _)| *known == target).expect("a file is named after its target");
        body(&std::fs::read(&path).unwrap());
        read += 1;
    }
    assert!(read > 0);
}

/// The bytes from each place where `mark` stands.
fn after(bytes: &[u8], mark: &[u8]) -> Vec<Vec<u8>> {
    let at = bytes.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark).map(|(at, _)| at);
    at.map(|at| bytes[at..bytes.len().min(at + 1500)].to_vec()).collect()
}

/// The same with some bytes turned, left out, or said twice.
fn turned(random: &mut StdRng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            0 => bytes[at] = random.random(),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\r\n 0%<:=\xFF"[random.random_range(0..9)]),
            _ => {
                let end = (at + random.random_range(1..40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn recordings_whole_and_turned_break_no_promise() {
    let mut random = StdRng::seed_from_u64(7);
    for (name, body) in BODIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty() || name == "invitation", "no seeds for {name}");
        for seed in &seeds {
            body(seed);
            for _ in 0..8 {
                body(&turned(&mut random, seed));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_break_no_promise(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        BODIES.iter().for_each(|(_, body)| body(&bytes));
    }

    #[test]
    fn any_words_of_the_protocol_break_no_promise(words in prop::collection::vec("(VER|USR|MSG|LST|ADC|NLN|UBX|SYN|JOI|IRO|[0-9]{1,3}|a@b\\.c|OK|N=a@b\\.c|%20|<a>|\r\n| |TWN|S|FL|\\PC)", 0..60)) {
        let bytes = words.join(" ").into_bytes();
        BODIES.iter().for_each(|(_, body)| body(&bytes));
    }
}

/// For `tests/fuzz/run`: writes a corpus.
#[test]
#[ignore = "writes the corpus for tests/fuzz/run"]
fn write_the_seeds() {
    let Ok(directory) = std::env::var("MSNBRIDGE_SEEDS") else { return };
    for (name, _) in BODIES {
        let folder = std::path::Path::new(&directory).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (at, seed) in seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{at}")), seed).unwrap();
        }
    }
}
