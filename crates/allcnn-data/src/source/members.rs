//! The listing of an archive: its members as they are met, then what links between them lead to.
use super::archive::Member;
use super::entry::{Entry, MAX_FILES, start_of};
use super::links::{Link, resolve};
use crate::error::Error;
use crate::file_kind::TELLING;
use crate::ignored::{Counts, Reason};
use crate::names::{hidden_path, shortened};
use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

/// What an archive holds.
#[derive(Default)]
pub(super) struct Members {
    /// All files, hidden ones too.
    files: Vec<Entry>,
    links: Vec<Link>,
    ignored: Counts,
}

/// The indices of members that a later one of the same name replaces.
#[derive(Default)]
struct Replaced {
    files: HashSet<usize>,
    links: HashSet<usize>,
}

impl Members {
    /// Takes down a member.
    pub(super) fn add(&mut self, name: &str, member: Member) -> io::Result<()> {
        match member {
            Member::File(size, reader) => {
                let mut room = [0; TELLING];
                let head = start_of(reader, &mut room)?;
                self.files.push(Entry::new(name.to_string(), size, head));
            }
            Member::Link(target) => self.add_link(name, target, false),
            Member::HardLink(target) => self.add_link(name, target, true),
            Member::Special => self.ignored.add(Reason::Special, name),
            Member::Replaced => self.ignored.add(Reason::Replaced, name),
        }
        Ok(())
    }

    fn add_link(&mut self, name: &str, target: String, hard: bool) {
        self.links.push(Link { name: name.to_string(), target, hard, after: self.files.len() });
    }

    /// Refuses an archive of too many files.
    pub(super) fn check(&self, path: &Path) -> Result<ControlFlow<()>, Error> {
        if self.files.len() + self.links.len() > MAX_FILES {
            return Err(Error::TooManyFiles { path: path.to_path_buf(), most: MAX_FILES });
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The members that a later one of the same name replaces, as unpacking does.
    fn replaced(&self) -> Replaced {
        let mut replaced = Replaced::default();
        if self.links.is_empty() && self.files.is_sorted_by(|one, next| one.name < next.name) {
            return replaced;
        }
        // By name, then by position in the archive: links that come after a number of files come before the next file.
        let files =
            self.files.iter().enumerate().map(|(index, file)| (file.name.as_str(), index, usize::MAX));
        let links =
            self.links.iter().enumerate().map(|(index, link)| (link.name.as_str(), link.after, index));
        let mut members: Vec<(&str, usize, usize)> = files.chain(links).collect();
        members.sort_unstable();
        for pair in members.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            match pair[0] {
                (_, file, usize::MAX) => replaced.files.insert(file),
                (_, _, link) => replaced.links.insert(link),
            };
        }
        replaced
    }

    /// The files that are not hidden and those that links lead to, each with its member; whether there are links; and
    /// what was left out.
    pub(super) fn finish(self, path: &Path) -> Result<(Vec<Entry>, Vec<u32>, bool, Counts), Error> {
        let replaced = self.replaced();
        let Members { files, mut links, mut ignored } = self;
        let mut index = 0;
        links.retain(|link| {
            index += 1;
            let stays = !replaced.links.contains(&(index - 1));
            if !stays {
                ignored.add(Reason::Replaced, &link.name);
            }
            stays
        });
        let mut linked = Vec::new();
        if !links.is_empty() {
            let names = files.iter().map(|file| file.name.as_str());
            linked = resolve(names, &links, MAX_FILES, &mut ignored)
                .ok_or_else(|| Error::TooManyFiles { path: path.to_path_buf(), most: MAX_FILES })?;
        }
        let led_to: HashSet<usize> = linked.iter().map(|linked| linked.member).collect();
        let of_links: Vec<(Entry, u32)> = linked
            .into_iter()
            .map(|linked| {
                let member = &files[linked.member];
                (member.named(linked.name), linked.member as u32)
            })
            .collect();
        let (mut entries, mut members) = (Vec::with_capacity(files.len()), Vec::with_capacity(files.len()));
        for (index, file) in files.into_iter().enumerate() {
            match hidden_path(&file.name) {
                None if replaced.files.contains(&index) => ignored.add(Reason::Replaced, &file.name),
                None => {
                    entries.push(file);
                    members.push(index as u32);
                }
                Some(_) if led_to.contains(&index) => {}
                Some(reason) => ignored.add(reason, &shortened(&file.name)),
            }
        }
        for (entry, member) in of_links {
            entries.push(entry);
            members.push(member);
        }
        Ok((entries, members, !links.is_empty(), ignored))
    }
}
