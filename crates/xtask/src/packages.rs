//! The packages of the workspace that are published.

use serde_json::Value;

use crate::{Failure, command, output, run};

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
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
    let mut cargo = command("cargo");
    cargo.args(["package", "--workspace"]).args(arguments);
    for package in all()?.iter().filter(|package| !package.is_published) {
        cargo.args(["--exclude", &package.name]);
    }
    run(&mut cargo)
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
