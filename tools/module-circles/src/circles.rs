//! The strongly connected components of a crate's modules, and how they are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::arrows::{self, Arrow};
use crate::tree::Tree;

/// Modules each of which reaches all others along arrows.
#[derive(Debug)]
pub struct Circle {
    /// Their names from the crate's root on.
    pub modules: BTreeSet<String>,
    /// The arrows between them.
    pub arrows: Vec<Arrow>,
}

/// The circles of a crate.
pub(crate) fn find(tree: &Tree) -> Vec<Circle> {
    let arrows = arrows::find(tree);
    let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in &arrows {
        targets.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        targets.keys().map(|&from| (from, reached_from(from, &targets))).collect();
    let mut circles: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (from, to) in &reached {
        if to.contains(from) {
            let returns = |&module: &&str| reached.get(module).is_some_and(|back| back.contains(from));
            circles.insert(to.iter().copied().filter(returns).collect());
        }
    }
    circles
        .into_iter()
        .map(|modules| Circle {
            arrows: arrows
                .iter()
                .filter(|arrow| [&arrow.from, &arrow.to].iter().all(|end| modules.contains(end.as_str())))
                .cloned()
                .collect(),
            modules: modules.into_iter().map(str::to_string).collect(),
        })
        .collect()
}

fn reached_from<'a>(from: &'a str, targets: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        open.extend(targets.get(module).into_iter().flatten().filter(|&&next| reached.insert(next)));
    }
    reached
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modules: Vec<_> = self.modules.iter().map(String::as_str).collect();
        writeln!(f, "a circle of {} modules: {}", modules.len(), modules.join(", "))?;
        // Between two modules, the first place that names each item.
        let mut by_ends: BTreeMap<(&str, &str), BTreeMap<&str, &Arrow>> = BTreeMap::new();
        for arrow in &self.arrows {
            by_ends.entry((&arrow.from, &arrow.to)).or_default().entry(&arrow.item).or_insert(arrow);
        }
        let mut by_ends: Vec<_> = by_ends.into_iter().collect();
        by_ends.sort_by_key(|(_, items)| items.len());
        for ((from, to), items) in by_ends {
            writeln!(f, "  {from} -> {to}")?;
            for (item, Arrow { file, line, .. }) in items {
                writeln!(f, "    {}:{line}  {item}", file.display())?;
            }
        }
        Ok(())
    }
}
