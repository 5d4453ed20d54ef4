//! Links in an archive: they lead to its members only, and count as the files that they lead to.
use crate::ignored::{Counts, Reason};
use crate::names::{LONGEST_PATH, hidden, shortened};
use std::collections::BTreeMap;

/// More links on the way to one file lead nowhere, as on Linux: links whose targets go by way of several links each would take for
/// ever.
const MAX_HOPS: usize = 40;

/// A link in an archive.
pub(super) struct Link {
    /// Its name.
    pub name: String,
    /// What it names: seen from its own folder, or from the root when it is a hard link.
    pub target: String,
    /// Whether it is a hard link.
    pub hard: bool,
    /// How many files come before it in the archive.
    pub after: usize,
}

/// A file that links lead to.
pub(super) struct Linked {
    /// Its name by way of the links.
    pub name: String,
    /// The member.
    pub member: usize,
}

/// A name in a folder.
enum Node<'a> {
    Folder(usize),
    Member(usize),
    Link(&'a Link),
}

/// The members of an archive as folders; the first one is the root.
struct Tree<'a> {
    folders: Vec<BTreeMap<&'a str, Node<'a>>>,
    parents: Vec<usize>,
}

/// What a name leads to.
#[derive(Clone, Copy)]
enum Found {
    Folder(usize),
    Member(usize),
}

/// Everything that is found under another name by links between members with these `names`, sorted; what leads nowhere
/// is counted. Nothing where that are more than `most` files and folders.
pub(super) fn resolve<'a>(
    names: impl Iterator<Item = &'a str>,
    links: &'a [Link],
    most: usize,
    ignored: &mut Counts,
) -> Option<Vec<Linked>> {
    let mut tree = Tree { folders: vec![BTreeMap::new()], parents: vec![0] };
    // What is left out keeps the walk from going as deep as a name is long.
    for (member, name) in names.enumerate().filter(|(_, name)| name.len() <= LONGEST_PATH) {
        tree.insert(name, Node::Member(member));
    }
    for link in links {
        match link.name.len() {
            0..=LONGEST_PATH => tree.insert(&link.name, Node::Link(link)),
            _ => ignored.add(Reason::LongName, &shortened(&link.name)),
        }
    }
    let mut walk = Walk { tree: &tree, linked: Vec::new(), ignored, folders: 0, most };
    walk.list(0, "", &[0], false)?;
    Some(walk.linked)
}

impl<'a> Tree<'a> {
    fn insert(&mut self, name: &'a str, node: Node<'a>) {
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", name));
        let mut at = 0;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            at = match self.folders[at].get(part) {
                Some(Node::Folder(folder)) => *folder,
                Some(_) => return, // below a file or a link there is nothing
                None => {
                    let new = self.folders.len();
                    self.folders.push(BTreeMap::new());
                    self.parents.push(at);
                    self.folders[at].insert(part, Node::Folder(new));
                    new
                }
            };
        }
        if !matches!(self.folders[at].get(file), Some(Node::Folder(_))) {
            self.folders[at].insert(file, node); // of several the last one, as unpacking leaves it
        }
    }

    /// What a link in `folder` leads to, by way of at most `hops` other links.
    fn follow(&self, folder: usize, link: &Link, hops: &mut usize) -> Result<Found, Reason> {
        *hops = hops.checked_sub(1).ok_or(Reason::LinkLoop)?;
        if !link.hard && link.target.starts_with('/') {
            return Err(Reason::OutsideLink);
        }
        let mut at = Found::Folder(if link.hard { 0 } else { folder });
        for part in link.target.split('/').filter(|part| !matches!(*part, "" | ".")) {
            let Found::Folder(folder) = at else { return Err(Reason::BrokenLink) };
            at = match (part, self.folders[folder].get(part)) {
                ("..", None) if folder == 0 => return Err(Reason::OutsideLink),
                ("..", None) => Found::Folder(self.parents[folder]),
                (_, None) => return Err(Reason::BrokenLink),
                (_, Some(Node::Folder(folder))) => Found::Folder(*folder),
                (_, Some(Node::Member(member))) => Found::Member(*member),
                (_, Some(Node::Link(link))) => self.follow(folder, link, hops)?,
            };
        }
        Ok(at)
    }
}

/// A walk through the folders of an archive.
struct Walk<'w, 'a> {
    tree: &'w Tree<'a>,
    linked: Vec<Linked>,
    ignored: &'w mut Counts,
    folders: usize,
    most: usize,
}

impl Walk<'_, '_> {
    /// Lists a folder by the name `path`, below the folders `above` and itself; `linked` when links led there.
    fn list(&mut self, folder: usize, path: &str, above: &[usize], linked: bool) -> Option<()> {
        self.folders += 1;
        if self.linked.len() + self.folders > self.most {
            return None;
        }
        for (part, node) in &self.tree.folders[folder] {
            let name = if path.is_empty() { part.to_string() } else { format!("{path}/{part}") };
            if name.len() > LONGEST_PATH {
                self.ignored.add(Reason::LongName, &shortened(&name));
                continue;
            }
            if let Some(reason) = hidden(part) {
                if matches!(node, Node::Link(_)) && !linked {
                    self.ignored.add(reason, &name);
                }
                continue;
            }
            let (found, linked) = match node {
                Node::Folder(folder) => (Ok(Found::Folder(*folder)), linked),
                Node::Member(member) => (Ok(Found::Member(*member)), linked),
                Node::Link(link) => {
                    let mut hops = MAX_HOPS;
                    (self.tree.follow(folder, link, &mut hops), true)
                }
            };
            match found {
                Ok(Found::Folder(folder)) if above.contains(&folder) => {
                    self.ignored.add(Reason::LinkLoop, &name)
                }
                Ok(Found::Folder(folder)) => {
                    self.list(folder, &name, &[above, &[folder]].concat(), linked)?
                }
                Ok(Found::Member(member)) if linked => self.linked.push(Linked { name, member }),
                Ok(Found::Member(_)) => {}
                Err(reason) => self.ignored.add(reason, &name),
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soft(name: &str, target: &str) -> Link {
        Link { name: name.into(), target: target.into(), hard: false, after: 0 }
    }

    /// The names that links lead to, with the members, and what was counted.
    fn resolved(members: &[&str], links: &[Link]) -> (Vec<String>, Vec<String>) {
        let mut ignored = Counts::default();
        let found = resolve(members.iter().copied(), links, 100, &mut ignored).unwrap();
        let found = found.iter().map(|linked| format!("{} = {}", linked.name, members[linked.member]));
        let ignored = ignored.list();
        let ignored = ignored.iter().map(|one| format!("{}: {} {}", one.example, one.files, one.reason));
        (found.collect(), ignored.collect())
    }

    #[test]
    fn links_lead_to_files_and_folders_of_the_archive() {
        let members = ["set/train/cat/1", "set/train/dog/1", "set/.store/2"];
        let links = [
            soft("set/val", "train"),
            soft("set/train/cat/2", "../../.store/2"),
            soft("set/train/dog/3", "../cat/2"),
            Link { name: "set/train/dog/4".into(), target: "./set/train/cat/1".into(), hard: true, after: 0 },
        ];
        let (found, ignored) = resolved(&members, &links);
        let expected = [
            "set/train/cat/2 = set/.store/2",
            "set/train/dog/3 = set/.store/2",
            "set/train/dog/4 = set/train/cat/1",
            "set/val/cat/1 = set/train/cat/1",
            "set/val/cat/2 = set/.store/2",
            "set/val/dog/1 = set/train/dog/1",
            "set/val/dog/3 = set/.store/2",
            "set/val/dog/4 = set/train/cat/1",
        ];
        assert_eq!((found, ignored), (expected.map(String::from).to_vec(), vec![]));
    }

    #[test]
    fn links_that_lead_nowhere_are_counted() {
        let links = [
            soft("cat/up", ".."),
            soft("cat/out", "../../etc/passwd"),
            soft("cat/root", "/etc/passwd"),
            soft("cat/broken", "nothing"),
            soft("cat/below", "1/2"),
            soft("cat/a", "b"),
            soft("cat/b", "a"),
        ];
        let (found, ignored) = resolved(&["cat/1"], &links);
        assert!(found.is_empty(), "{found:?}");
        let expected = [
            "cat/below: 2 a broken link",
            "cat/a: 3 a link that leads in a circle",
            "cat/out: 2 a link out of the archive",
        ];
        assert_eq!(ignored, expected);
    }

    #[test]
    fn links_by_way_of_many_links_each_end() {
        let way = |by: &str| [by].repeat(100).join("/");
        let mut links = vec![soft("0", "."), soft("few", "0/0/0/cat/1")];
        links.extend((1..9).map(|level: u32| soft(&level.to_string(), &way(&(level - 1).to_string()))));
        let (found, ignored) = resolved(&["cat/1"], &links);
        assert_eq!(found, ["few = cat/1"]);
        assert_eq!(ignored, ["0: 9 a link that leads in a circle"]);
    }

    #[test]
    fn links_that_multiply_are_refused() {
        let links: Vec<Link> = (0..40)
            .flat_map(|level| {
                ["a", "b"].map(|name| soft(&format!("{level:02}/{name}"), &format!("../{:02}", level + 1)))
            })
            .collect();
        assert!(resolve(["40/1"].into_iter(), &links, 10_000, &mut Counts::default()).is_none());
    }
}
