//! The client's side of two long recordings, played against our service: it answers as the recorded server did, line for
//! line, but for differences that are written down as rules.

pub(crate) mod player;
mod rules;
pub(crate) mod unit;

use player::Player;
use rules::{Place, RULES, masked};
use unit::{Side, Unit, pair};

impl Player {
    /// The differences that no rule covers.
    fn compare(&mut self) -> Vec<String> {
        let (file, mut used) = (self.file.clone(), std::mem::take(&mut self.used));
        let mut wrong = Vec::new();
        for (tag, line) in &self.lines {
            if !tag.contains(".NS") && !tag.contains(".SB") {
                continue;
            }
            let place = Place { file: &file, tag };
            let mut side = |units: &[Unit]| {
                let rename = |unit: &Unit| Unit {
                    line: self.renamed(&unit.line),
                    payload: self.renamed_bytes(&unit.payload),
                };
                let units = units.iter().map(|unit| masked(&rename(unit), place, &mut used)).collect();
                Side { units, paired: Vec::new() }
            };
            let (mut theirs, mut ours) = (side(&line.recorded), side(&line.actual));
            (theirs.paired, ours.paired) = pair(&theirs.units, &ours.units);
            for (at, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.theirs != rule.ours) {
                while let Some((left, right)) = place.excused(rule, &theirs, &ours) {
                    left.into_iter().for_each(|left| theirs.paired[left] = true);
                    right.into_iter().for_each(|right| ours.paired[right] = true);
                    used[at] = true;
                }
            }
            let tell = |who: &str, side: &Side| {
                let odd = side.units.iter().zip(&side.paired).filter(|(_, paired)| !**paired);
                odd.map(|(unit, _)| format!("{file} [{tag}] {who}: {}", unit.line)).collect::<Vec<_>>()
            };
            wrong.extend(tell("only the recorded server", &theirs));
            wrong.extend(tell("only ours", &ours));
        }
        self.used = used;
        wrong
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_service_answers_the_recorded_walks_line_for_line() {
    let (mut wrong, mut used) = (Vec::new(), vec![false; RULES.len()]);
    for file in ["msnp8", "msnp11"] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut player = Player::new(directory.path()).await;
        player.play(file).await;
        wrong.extend(player.compare());
        used.iter_mut().zip(&player.used).for_each(|(used, here)| *used |= here);
    }
    assert!(wrong.is_empty(), "{} differences without a rule:\n{}", wrong.len(), wrong.join("\n"));
    let idle = RULES.iter().zip(&used).filter(|(_, used)| !**used);
    let idle: Vec<&str> =
        idle.map(|(rule, _)| if rule.theirs.is_empty() { rule.ours } else { rule.theirs }).collect();
    assert!(idle.is_empty(), "rules that nothing needs: {idle:#?}");
    assert!(RULES.len() <= 25, "{} rules", RULES.len());
    assert!(RULES.iter().all(|rule| !rule.source.is_empty() && !rule.reason.is_empty()));
}
