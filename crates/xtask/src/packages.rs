//! The packages of the workspace that are published.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

use crate::{Failure, command, output, run, target};

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    version: String,
    pub(crate) is_published: bool,
    /// Whether it has a library.
    pub(crate) is_library: bool,
    /// Its own features, `default` among them where there is one.
    pub(crate) features: Vec<String>,
    /// The oldest Rust that it says it builds with.
    pub(crate) rust_version: String,
}

/// All packages of the workspace.
pub(crate) fn all() -> Result<Vec<Package>, Failure> {
    let text = output(command("cargo").args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata has no packages")?;
    let package = |package: &Value| {
        let features = package["features"].as_object();
        let targets = package["targets"].as_array();
        Package {
            name: package["name"].as_str().unwrap_or_default().to_owned(),
            version: package["version"].as_str().unwrap_or_default().to_owned(),
            // an empty list of registries is `publish = false`
            is_published: package["publish"].is_null(),
            is_library: targets.into_iter().flatten().any(|target| target["kind"][0] == "lib"),
            features: features.into_iter().flat_map(|features| features.keys().cloned()).collect(),
            rust_version: package["rust_version"].as_str().unwrap_or_default().to_owned(),
        }
    };
    Ok(packages.iter().map(package).collect())
}

/// Makes the packages and builds what is in them, each against the others.
pub(crate) fn package(arguments: &[String]) -> Result<(), Failure> {
    let (published, others): (Vec<_>, Vec<_>) =
        all()?.into_iter().partition(|package| package.is_published);
    let target = target().join("packages");
    forget_packages(&published, &target)?;
    let mut cargo = command("cargo");
    cargo.args(["package", "--workspace", "--target-dir"]).arg(&target).args(arguments);
    for package in others {
        cargo.args(["--exclude", &package.name]);
    }
    run(&mut cargo)
}

/// Removes what earlier runs made. Cargo takes the packages of a registry for unchanging, also of the
/// one that it makes for this: it would build against those of the last run with the same version.
fn forget_packages(published: &[Package], target: &Path) -> Result<(), Failure> {
    let default = env::home_dir().map(|home| home.join(".cargo"));
    let cargo = env::var_os("CARGO_HOME").map(PathBuf::from).or(default).ok_or("no CARGO_HOME")?;
    let mut folders = vec![target.to_owned()];
    for registry in fs::read_dir(cargo.join("registry/src")).into_iter().flatten().flatten() {
        // those of a folder have no name before their hash
        if registry.file_name().to_string_lossy().starts_with('-') {
            let unpacked = |package: &Package| {
                registry.path().join(format!("{}-{}", package.name, package.version))
            };
            folders.extend(published.iter().map(unpacked));
        }
    }
    for folder in folders.iter().filter(|folder| folder.exists()) {
        fs::remove_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    Ok(())
}

/// Lints every published package without features, and with each one alone.
pub(crate) fn features(_: &[String]) -> Result<(), Failure> {
    for package in all()?.iter().filter(|package| package.is_published) {
        if package.features.is_empty() {
            continue;
        }
        let sets = package.features.iter().map(String::as_str);
        for set in std::iter::once("").chain(sets) {
            println!("{} with {}", package.name, if set.is_empty() { "no feature" } else { set });
            let mut cargo = command("cargo");
            cargo.args(["clippy", "--quiet", "-p", &package.name, "--no-default-features"]);
            cargo.args(["--features", set, "--", "-D", "warnings"]);
            run(&mut cargo)?;
        }
    }
    Ok(())
}
