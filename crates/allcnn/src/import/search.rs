//! Backtracking search for the interleavings of chains in which every layer fits its slot's shape.

use std::collections::HashSet;

use super::order::Chain;
use super::slot::Slot;

/// The search is aborted after this many tries, as for names that reveal almost no order.
const MAX_TRIES: usize = 200_000;

/// The assignments found; each lists, slot by slot, the chain that provides the layer.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    None,
    One(Vec<usize>),
    Several(Vec<usize>, Vec<usize>),
    TooMany,
}

/// Searches with layers fixed to slots of the same name; if that fails, by shapes alone.
pub(super) fn ways(chains: &[Chain], slots: &[Slot]) -> Found {
    match search(chains, slots, true) {
        Found::None => search(chains, slots, false),
        found => found,
    }
}

fn search(chains: &[Chain], slots: &[Slot], by_name: bool) -> Found {
    let given = chains.iter().flat_map(|chain| &chain.layers).map(|layer| layer.name.as_str());
    let mut search = Search {
        chains,
        slots,
        shared: HashSet::new(),
        taken: vec![0; chains.len()],
        way: Vec::new(),
        found: Vec::new(),
        tries: 0,
    };
    if by_name {
        let given: HashSet<&str> = given.collect();
        let names = slots.iter().map(|slot| slot.name.as_str());
        search.shared = names.filter(|name| given.contains(name)).collect();
    }
    search.go_on();
    let tries = search.tries;
    let mut found = search.found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), Some(another)) => Found::Several(one, another),
        _ if tries > MAX_TRIES => Found::TooMany,
        (Some(one), None) => Found::One(one),
        (None, _) => Found::None,
    }
}

struct Search<'a> {
    chains: &'a [Chain],
    slots: &'a [Slot],
    /// Names that occur both among layers and slots, which fix the assignment.
    shared: HashSet<&'a str>,
    /// How many layers of each chain are assigned.
    taken: Vec<usize>,
    way: Vec<usize>,
    found: Vec<Vec<usize>>,
    tries: usize,
}

impl Search<'_> {
    /// Fills the remaining slots in every possible way, until two assignments are found.
    fn go_on(&mut self) {
        let Some(slot) = self.slots.get(self.way.len()) else {
            self.found.push(self.way.clone());
            return;
        };
        for (number, chain) in self.chains.iter().enumerate() {
            self.tries += 1;
            if self.found.len() == 2 || self.tries > MAX_TRIES {
                return;
            }
            let Some(layer) = chain.layers.get(self.taken[number]) else { continue };
            let (layer_name, place_name) = (layer.name.as_str(), slot.name.as_str());
            let decided = self.shared.contains(layer_name) || self.shared.contains(place_name);
            if (decided && layer_name != place_name) || !slot.fits(layer) {
                continue;
            }
            self.taken[number] += 1;
            self.way.push(number);
            self.go_on();
            self.way.pop();
            self.taken[number] -= 1;
        }
    }
}
