//! Links between the documents, which must lead somewhere: to a file that is there, and to a heading in it.
//!
//! Links to other sites are left alone: whether they work changes without anybody changing anything here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::process::text;

/// Fewer would mean that they are not found any more.
const LEAST: usize = 100;

/// A page, as far as links are concerned.
#[derive(Debug, Default, PartialEq)]
struct Page {
    /// What a link to it may name after the `#`.
    anchors: BTreeSet<String>,
    /// Where its links lead, each with its line.
    links: Vec<(usize, String)>,
}

pub(super) fn check() -> Result {
    let files =
        text(Command::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]))?;
    let mut pages = BTreeMap::new();
    for file in files.lines() {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        pages.insert(PathBuf::from(file), Page::read(&text));
    }
    let followed: usize = pages.values().map(|page| page.links.len()).sum();
    if followed < LEAST {
        return Err(format!("only {followed} links were found, which is hard to believe"));
    }
    let broken = broken(&pages, Path::exists);
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// The links that lead nowhere, each as a line for a person.
fn broken(pages: &BTreeMap<PathBuf, Page>, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, page) in pages {
        for (line, link) in &page.links {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = if path.is_empty() { file.clone() } else { beside(file, path) };
            let why = match pages.get(&to) {
                Some(target) if anchor.is_empty() || target.anchors.contains(anchor) => continue,
                Some(_) => "there is no such heading",
                None if anchor.is_empty() && exists(&to) => continue,
                None => "there is no such file",
            };
            broken.push(format!("{}:{line}: {link}: {why}", file.display()));
        }
    }
    broken
}

/// A path as it is written in a file, from where all paths start.
fn beside(file: &Path, path: &str) -> PathBuf {
    let mut to = file.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(to.pop()),
            Component::CurDir => {}
            part => to.push(part),
        }
    }
    to
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut inside = false;
        for (line, number) in text.lines().zip(1..) {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                let heading = line.trim_start_matches('#');
                if heading.len() < line.len() && heading.starts_with(' ') {
                    page.add_anchor(heading.trim());
                }
                page.links.extend(links(line).map(|link| (number, link)));
            }
        }
        page
    }

    /// The name that GitHub gives to a heading; the second of the same text gets a number.
    fn add_anchor(&mut self, heading: &str) {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = without_targets(heading).to_lowercase().chars().filter(kept).collect();
        let name = name.replace(' ', "-");
        let numbered = (1..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }
}

/// Where the links of a line lead that stay within the project. What is between backticks is no link.
fn links(line: &str) -> impl Iterator<Item = String> {
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let targets: Vec<String> = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect();
    targets.into_iter()
}

/// A heading as it is shown: of a link, its text.
fn without_targets(heading: &str) -> String {
    let mut parts = heading.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| shown + part.split_once(')').map_or(part, |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_named_as_the_forge_names_it() {
        let text = "# Mail: neomutt, mbsync\n\n## Slack (a user's own token)\n## Zoom\n## Zoom\n### `vestal init`\n## [A](b.md) c\n\n```sh\n# no heading\n```\n#nor this\n";
        let named = Page::read(text).anchors;
        let expected =
            ["a-c", "mail-neomutt-mbsync", "slack-a-users-own-token", "vestal-init", "zoom", "zoom-1"];
        assert_eq!(named.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn links_are_found_outside_code_and_those_to_other_sites_are_left() {
        let text = "[a](b.md) and [c](d.md#e)\n`[no](x.md)`, [f](https://example.com/g)\n```\n[no](y.md)\n```\n| [h](#i) |\n";
        let found = Page::read(text).links;
        assert_eq!(found, [(1, "b.md".into()), (1, "d.md#e".into()), (6, "#i".into())]);
    }

    #[test]
    fn a_link_needs_a_file_and_its_heading() {
        let pages = BTreeMap::from([
            (
                "README.md".into(),
                Page::read("# Top\n[a](docs/a.md#one) [b](docs/a.md#two)\n[c](LICENSE) [d](gone)\n"),
            ),
            (
                "docs/a.md".into(),
                Page::read("# One\n[up](../README.md#top) [here](#one) [x](./b.md)\n[y](../LICENSE#z)\n"),
            ),
        ]);
        let told = broken(&pages, |path| path == Path::new("LICENSE"));
        assert_eq!(
            told,
            [
                "README.md:2: docs/a.md#two: there is no such heading",
                "README.md:3: gone: there is no such file",
                "docs/a.md:2: ./b.md: there is no such file",
                "docs/a.md:3: ../LICENSE#z: there is no such file",
            ]
        );
    }
}
