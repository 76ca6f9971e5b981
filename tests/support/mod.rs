// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads Rust source folders as text: the files of a crate, and which of them import which.
//!
//! A file imports another when a path in it leads there: `crate::…`, `super::…`, `self::…`, or the name of
//! one of its own child modules. Declaring a child (`mod child;`) or re-exporting from it (`pub use
//! child::Item;`) is no import; a path to a re-exported item leads to the file that defines the item. Tests
//! inside a file count as part of it. Test files (`tests.rs`, `…_tests.rs`) are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each file of a crate with the files of the same crate that it imports, both as paths below its source
/// folder, such as `node/config.rs`.
pub type Imports = BTreeMap<String, BTreeSet<String>>;

/// The segments of a path in the code, such as `["crate", "node", "up"]`. A file's module path has the same
/// form without `crate`.
type Segments = Vec<String>;

struct SourceFile {
    /// Path below the source folder.
    name: String,
    module: Segments,
    code: String,
}

/// Returns the imports of every file below `source`, the source folder of a crate.
pub fn imports(source: &Path) -> Imports {
    let files = source_files(source);
    let names: BTreeMap<&Segments, &str> = files.iter().map(|f| (&f.module, f.name.as_str())).collect();
    let mut uses = BTreeMap::new();
    let mut reexports = BTreeMap::new();
    for file in &files {
        let (code, tests) = file.code.split_once("mod tests {").unwrap_or((&file.code, ""));
        let in_tests = [file.module.as_slice(), &["tests".to_owned()]].concat();
        let mut used = Vec::new();
        for (module, text) in [(&file.module, code), (&in_tests, tests)] {
            for (path, is_reexport) in paths(text) {
                let Some(target) = absolute(&path, module, source, &names) else { continue };
                match path.last() {
                    Some(item) if is_reexport => {
                        reexports.insert((file.module.clone(), item.clone()), target);
                    }
                    _ => used.push(target),
                }
            }
        }
        uses.insert(file.name.as_str(), used);
    }
    let imported = |file: &str, used: &[Segments]| -> BTreeSet<String> {
        let targets = used.iter().filter_map(|path| defining_file(path, &names, &reexports));
        targets.filter(|target| *target != file).map(str::to_owned).collect()
    };
    uses.iter().map(|(file, used)| ((*file).to_owned(), imported(file, used))).collect()
}

/// The text of a Rust file without its comment lines, since comments may point anywhere.
pub fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every Rust file below a folder except the test files.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    if folder.is_file() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let is_code = name.ends_with(".rs") && name != "tests.rs" && !name.ends_with("_tests.rs");
        return if is_code { vec![folder.to_owned()] } else { Vec::new() };
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| rust_files(&path)).collect()
}

fn source_files(source: &Path) -> Vec<SourceFile> {
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(source).unwrap().to_str().unwrap().to_owned();
        SourceFile { module: module_of(&name, source), code: code(path), name }
    };
    rust_files(source).iter().map(read).collect()
}

/// `node/mod.rs` and `node.rs` are the module `["node"]`. The crate's root is `[]`: `lib.rs`, or `main.rs`
/// where there is no library.
fn module_of(name: &str, source: &Path) -> Segments {
    let is_root = name == "lib.rs" || name == "main.rs" && !source.join("lib.rs").exists();
    let mut module: Segments = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// Every path of two or more segments in a text, and whether it is re-exported by a `pub use`.
fn paths(text: &str) -> Vec<(Segments, bool)> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        if !is_name(&tokens[position]) {
            position += 1;
            continue;
        }
        let is_use = position > 0 && tokens[position - 1] == "use";
        let is_reexport = is_use && position > 1 && ["pub", ")"].contains(&tokens[position - 2].as_str());
        let mut tree = Vec::new();
        position = path_tree(&tokens, position, &[], &mut tree);
        found.extend(tree.into_iter().filter(|path| path.len() > 1).map(|path| (path, is_reexport)));
    }
    found
}

/// Reads one path, or all paths of a group such as `a::{b, c::d}`. Returns the position behind it.
fn path_tree(tokens: &[String], start: usize, prefix: &[String], found: &mut Vec<Segments>) -> usize {
    let at = |position: usize| tokens.get(position).map_or("", String::as_str);
    let mut path = prefix.to_vec();
    let mut position = start;
    loop {
        path.push(at(position).to_owned());
        position += 1;
        if at(position) == "::" && at(position + 1) == "{" {
            position += 2;
            while !["}", ""].contains(&at(position)) {
                position = match is_name(at(position)) {
                    true => path_tree(tokens, position, &path, found),
                    false => position + 1,
                };
            }
            return position + 1;
        }
        if at(position) != "::" || !is_name(at(position + 1)) {
            found.push(path);
            return position;
        }
        position += 1;
    }
}

/// Names, `::` and single other characters.
fn tokens(text: &str) -> Vec<String> {
    let is_part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("::") => 2,
            c if is_part_of_name(c) => rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The path from the crate's root, or `None` for a path into another crate or into the file itself.
fn absolute(
    path: &[String],
    module: &Segments,
    source: &Path,
    names: &BTreeMap<&Segments, &str>,
) -> Option<Segments> {
    let child = [module.as_slice(), &path[..1]].concat();
    // Programs in `src/bin` name the library of their package by the name of its folder.
    let package = source.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let is_program = module.first().is_some_and(|first| first == "bin");
    match path[0].as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        "super" => {
            let levels = path.iter().take_while(|segment| *segment == "super").count();
            Some([&module[..module.len().checked_sub(levels)?], &path[levels..]].concat())
        }
        first if is_program && Some(first) == package => Some(path[1..].to_vec()),
        _ => names.contains_key(&child).then(|| [module.as_slice(), path].concat()),
    }
}

/// The file that a path from the crate's root leads to: the deepest module that the path names, or the one
/// from which that module re-exports the item.
fn defining_file<'a>(
    path: &[String],
    names: &BTreeMap<&Segments, &'a str>,
    reexports: &BTreeMap<(Segments, String), Segments>,
) -> Option<&'a str> {
    let depth = (0..=path.len()).rev().find(|&depth| names.contains_key(&path[..depth].to_vec()))?;
    let (module, items) = path.split_at(depth);
    let reexport = items.first().and_then(|item| reexports.get(&(module.to_vec(), item.clone())));
    match reexport {
        Some(target) => defining_file(target, names, reexports),
        None => names.get(&module.to_vec()).copied(),
    }
}
