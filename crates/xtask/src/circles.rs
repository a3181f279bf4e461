//! Source files that import each other.
//!
//! A file imports another one where it names something of it: in a `use`, or by a path from `crate`
//! or `super`. Names that a file passes on (`pub use`) count for the file that they come from.
//! Tests at the end of a file do not count.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::{Failure, root};

/// How many groups there may be, and of how many files each.
const MOST_GROUPS: usize = 4;
const MOST_FILES: usize = 2;

/// Modules as paths: `flows::table`; the root of a crate is empty.
type Modules = BTreeMap<String, String>;
/// What each module imports: of which module, which names.
type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Prints the groups, and fails where there are too many.
pub(crate) fn run(_: &[String]) -> Result<(), Failure> {
    let mut crates: Vec<_> = fs::read_dir(root().join("crates"))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| e.to_string())?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    crates.sort();
    let (mut count, mut largest) = (0, 0);
    for path in crates {
        let mut modules = Modules::new();
        read(&path.join("src"), "", &mut modules).map_err(|e| e.to_string())?;
        let imports = imports(&modules);
        for group in groups(&imports) {
            (count, largest) = (count + 1, largest.max(group.len()));
            println!("{}:", path.file_name().unwrap_or_default().display());
            for module in &group {
                for (other, names) in
                    imports[module].iter().filter(|(other, _)| group.contains(*other))
                {
                    let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                    println!("    {} imports {names} of {}", shown(module), shown(other));
                }
            }
        }
    }
    println!("groups of files that import each other: {count}, at most {MOST_GROUPS}");
    if count > MOST_GROUPS || largest > MOST_FILES {
        return Err(format!(
            "more than {MOST_GROUPS} groups, or one of more than {MOST_FILES} files"
        ));
    }
    Ok(())
}

fn shown(module: &str) -> &str {
    if module.is_empty() { "the root" } else { module }
}

/// Reads all source files below a folder.
fn read(folder: &Path, module: &str, modules: &mut Modules) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let inner = join(module, &name);
        if path.is_dir() {
            read(&path, &inner, modules)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_parent = matches!(name.as_str(), "mod" | "lib" | "main");
            let module = if is_parent { module } else { &inner };
            modules.insert(module.to_owned(), code(&fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

/// The text without comments and tests.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn imports(modules: &Modules) -> Imports {
    // what `pub use` passes on: where it is named, and where it comes from
    let mut passed = HashMap::new();
    for (module, text) in modules {
        for path in
            uses(text).filter(|(_, is_public)| *is_public).flat_map(|(tree, _)| expand(tree))
        {
            if let Some((from, Some(name))) = resolve(modules, module, &path) {
                passed.insert((module.clone(), name.clone()), (from, name));
            }
        }
    }
    let mut imports = Imports::new();
    for (module, text) in modules {
        let named =
            uses(text).filter(|(_, is_public)| !is_public).flat_map(|(tree, _)| expand(tree));
        let imported = imports.entry(module.clone()).or_default();
        for path in named.chain(paths(text)) {
            let Some((mut from, Some(mut name))) = resolve(modules, module, &path) else {
                continue;
            };
            let mut seen = HashSet::new();
            while let Some((next, its_name)) = passed.get(&(from.clone(), name.clone())) {
                if !seen.insert((from.clone(), name.clone())) {
                    break;
                }
                (from, name) = (next.clone(), its_name.clone());
            }
            if from != *module {
                imported.entry(from).or_default().insert(name);
            }
        }
    }
    imports
}

/// The trees of all `use`, and whether they are public.
fn uses(text: &str) -> impl Iterator<Item = (&str, bool)> {
    text.match_indices("use ").filter_map(|(at, word)| {
        let before = text[..at].trim_end_matches(' ');
        let is_word = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let is_public = before.ends_with("pub") || before.ends_with(')');
        let tree = text[at + word.len()..].split_once(';')?.0;
        is_word.then_some((tree, is_public))
    })
}

/// The paths in a tree: `a::{b, c as d}` has `a::b` and `a::c`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or(tree).trim().to_owned()];
    };
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let (mut depth, mut start, mut paths) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inside[start..at].trim();
                if !part.is_empty() {
                    paths.extend(expand(part).into_iter().map(|path| format!("{before}{path}")));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    paths
}

/// The paths from `crate` and `super` outside of `use` and in it.
fn paths(text: &str) -> impl Iterator<Item = String> {
    let starts = ["crate::", "super::"].into_iter().flat_map(|start| text.match_indices(start));
    starts.filter_map(|(at, _)| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let is_start = !text[..at].ends_with(is_part);
        let path = text[at..].split(|c| !is_part(c)).next()?;
        is_start.then(|| path.trim_end_matches(':').to_owned())
    })
}

/// The module that a path leads to, and the name behind it.
fn resolve(modules: &Modules, module: &str, path: &str) -> Option<(String, Option<String>)> {
    let mut words = path.split("::").map(str::trim).peekable();
    let mut base = module.to_owned();
    match *words.peek()? {
        "crate" => {
            words.next();
            base.clear();
        }
        "self" => {
            words.next();
        }
        "super" => {
            while words.next_if_eq(&"super").is_some() {
                let parent = base.rfind("::").unwrap_or(0);
                base.truncate(parent);
            }
        }
        first if modules.contains_key(&join(module, first)) => {}
        _ => return None,
    }
    while let Some(word) = words.next_if(|word| modules.contains_key(&join(&base, word))) {
        base = join(&base, word);
    }
    Some((base, words.next().map(str::to_owned)))
}

/// Modules that reach each other by imports.
fn groups(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&str, HashSet<&str>> =
        imports.keys().map(|module| (module.as_str(), reached(imports, module))).collect();
    let mut groups = Vec::new();
    let mut grouped = HashSet::new();
    for (&module, others) in &reached {
        let group: BTreeSet<String> = others
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|back| back.contains(module)))
            .map(|other| (*other).to_owned())
            .collect();
        if group.len() > 1 && grouped.insert(group.clone()) {
            groups.push(group);
        }
    }
    groups
}

fn reached<'a>(imports: &'a Imports, module: &'a str) -> HashSet<&'a str> {
    let (mut reached, mut left) = (HashSet::new(), vec![module]);
    while let Some(module) = left.pop() {
        for other in imports.get(module).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other.as_str()) {
                left.push(other);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::{Modules, code, groups, imports};

    fn modules(files: &[(&str, &str)]) -> Modules {
        files.iter().map(|(module, text)| ((*module).to_owned(), code(text))).collect()
    }

    #[test]
    fn names_in_a_nested_use_are_imports() {
        let files = [
            ("a", "use crate::{b::{self, One, inner::Two as Other}, c::Three};"),
            ("b", ""),
            ("b::inner", "fn f() { crate::a::g() }"),
            ("c", ""),
        ];
        let imports = imports(&modules(&files));
        let of_a: Vec<_> = imports["a"].keys().collect();
        assert_eq!(of_a, ["b", "b::inner", "c"]);
        assert!(imports["a"]["b"].contains("One"));
        assert!(imports["a"]["b::inner"].contains("Two"));
        let groups = groups(&imports);
        assert_eq!(groups.len(), 1);
        assert!(groups[0].iter().eq(["a", "b::inner"]));
    }

    #[test]
    fn what_a_file_passes_on_counts_for_where_it_comes_from() {
        let files =
            [("", "pub use deep::Name;"), ("deep", ""), ("other", "use crate::Name;\nstruct S;")];
        let imports = imports(&modules(&files));
        let of_other: Vec<_> = imports["other"].keys().collect();
        assert_eq!(of_other, ["deep"]);
    }

    #[test]
    fn tests_and_comments_do_not_count() {
        let text = "// use crate::b::One;\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::b::Two;\n}\n";
        let imports = imports(&modules(&[("a", text), ("b", "")]));
        assert!(imports["a"].is_empty());
    }
}
