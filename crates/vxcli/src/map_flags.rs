//! Rows of the map from the command line: `--pod-cidr`, `--service-cidr`, `--node-cidr`; and what
//! to do about a map file that is refused.

use podmap::{Builder, Cidr, CidrError, MapError};

use crate::failure::Failure;

/// Adds the value of a `--pod-cidr` flag: `NODE=CIDR`.
///
/// # Errors
///
/// [`Failure::Usage`] where the value is not of that form.
pub(crate) fn pod_cidr(builder: &mut Builder, value: &str) -> Result<(), Failure> {
    let flag = "--pod-cidr";
    let refuse = |message: String| refused(flag, value, &message);
    let (node, range) = value
        .split_once('=')
        .ok_or_else(|| refuse("NODE=CIDR is needed, as in worker=10.244.1.0/24".to_owned()))?;
    Builder::check_name(node)
        .map_err(|reason| refuse(format!("{node:?} is not a name: {reason}")))?;
    let range = cidr(range).map_err(refuse)?;
    let source = builder.source(flag);
    builder.add_pod_cidr(source, node, range);
    Ok(())
}

/// Adds the value of a `--service-cidr` flag: `CIDR`.
///
/// # Errors
///
/// [`Failure::Usage`] where the value is not a CIDR.
pub(crate) fn service_cidr(builder: &mut Builder, value: &str) -> Result<(), Failure> {
    let flag = "--service-cidr";
    let range = cidr(value).map_err(|message| refused(flag, value, &message))?;
    let source = builder.source(flag);
    builder.add_service_cidr(source, range);
    Ok(())
}

/// Adds the value of a `--node-cidr` flag: `CIDR`.
///
/// # Errors
///
/// [`Failure::Usage`] where the value is not a CIDR.
pub(crate) fn node_cidr(builder: &mut Builder, value: &str) -> Result<(), Failure> {
    let flag = "--node-cidr";
    let range = cidr(value).map_err(|message| refused(flag, value, &message))?;
    let source = builder.source(flag);
    builder.add_node_cidr(source, range);
    Ok(())
}

/// A map file that was refused, with the flags that may help.
pub(crate) fn refused_file(error: &MapError) -> Failure {
    match error {
        MapError::TooLong { .. } => {
            Failure::usage(format_args!("{error}: give kubectl a selector (-l)"))
        }
        MapError::Unrecognised { .. } => Failure::usage(format_args!(
            "{error}; kubectl prints what is read with -o json or -o yaml"
        )),
        _ => Failure::usage(error),
    }
}

fn cidr(text: &str) -> Result<Cidr, String> {
    text.parse().map_err(|reason: CidrError| format!("{text:?} is not a CIDR: {reason}"))
}

fn refused(flag: &str, value: &str, message: &str) -> Failure {
    Failure::usage(format_args!("{flag} {value:?}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_make_no_sense_are_refused_by_name() {
        let mut builder = Builder::new();
        for (refused, text) in [
            (
                pod_cidr(&mut builder, "worker"),
                r#"--pod-cidr "worker": NODE=CIDR is needed, as in worker=10.244.1.0/24"#,
            ),
            (
                pod_cidr(&mut builder, "=10.0.0.0/8"),
                r#"--pod-cidr "=10.0.0.0/8": "" is not a name: the name is empty"#,
            ),
            (
                service_cidr(&mut builder, "10.96.0.1/12"),
                r#"--service-cidr "10.96.0.1/12": "10.96.0.1/12" is not a CIDR: bits are set after the prefix; 10.96.0.0/12 is the range"#,
            ),
            (
                node_cidr(&mut builder, "x"),
                r#"--node-cidr "x": "x" is not a CIDR: the prefix length is missing, as in 10.244.1.0/24"#,
            ),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), text);
        }
        assert!(builder.build().is_empty());
    }

    #[test]
    fn rows_are_called_by_their_flags() {
        let mut builder = Builder::new();
        pod_cidr(&mut builder, "a=10.244.1.0/24").unwrap();
        service_cidr(&mut builder, "fd00::/108").unwrap();
        node_cidr(&mut builder, "172.18.0.0/16").unwrap();
        let map = builder.build();
        let rows = map.rows().map(|row| format!("{} {} {}", row.cidr, row.label, row.source));
        assert_eq!(
            rows.collect::<Vec<_>>(),
            [
                "10.244.1.0/24 a --pod-cidr",
                "172.18.0.0/16 node --node-cidr",
                "fd00::/108 svc --service-cidr",
            ]
        );
    }
}
