//! Rows from the command line.

use super::checked;
use crate::error::quoted;
use crate::{Builder, Cidr, CidrError, MapError};

impl Builder {
    /// Adds the value of a `--pod-cidr` flag: `NODE=CIDR`.
    ///
    /// # Errors
    ///
    /// [`MapError::Flag`] where the value is not of that form.
    pub fn pod_cidr_flag(&mut self, value: &str) -> Result<(), MapError> {
        let flag = "--pod-cidr";
        let refuse = |message| MapError::Flag { flag, value: quoted(value), message };
        let Some((node, cidr)) = value.split_once('=') else {
            return Err(refuse("NODE=CIDR is needed, as in worker=10.244.1.0/24".to_owned()));
        };
        let node = checked(node).map_err(refuse)?;
        let cidr = parse(cidr).map_err(refuse)?;
        let source = self.source(flag);
        self.add_pod_cidr(source, node, cidr);
        Ok(())
    }

    /// Adds the value of a `--service-cidr` flag: `CIDR`.
    ///
    /// # Errors
    ///
    /// [`MapError::Flag`] where the value is not a CIDR.
    pub fn service_cidr_flag(&mut self, value: &str) -> Result<(), MapError> {
        let flag = "--service-cidr";
        let cidr = parse(value).map_err(|message| MapError::Flag {
            flag,
            value: quoted(value),
            message,
        })?;
        let source = self.source(flag);
        self.add_service_cidr(source, cidr);
        Ok(())
    }

    /// Adds the value of a `--node-cidr` flag: `CIDR`.
    ///
    /// # Errors
    ///
    /// [`MapError::Flag`] where the value is not a CIDR.
    pub fn node_cidr_flag(&mut self, value: &str) -> Result<(), MapError> {
        let flag = "--node-cidr";
        let cidr = parse(value).map_err(|message| MapError::Flag {
            flag,
            value: quoted(value),
            message,
        })?;
        let source = self.source(flag);
        self.add_node_cidr(source, cidr);
        Ok(())
    }
}

fn parse(cidr: &str) -> Result<Cidr, String> {
    cidr.parse().map_err(|reason: CidrError| format!("{} is not a CIDR: {reason}", quoted(cidr)))
}
