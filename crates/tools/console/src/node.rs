//! The node, asked from a thread that may wait.

use std::io;

use reqwest::Method;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Options,
    client::{Client, Failure, Request},
};

/// A node.
pub(crate) struct Node {
    client: Client,
    runtime: io::Result<Runtime>,
}

impl Node {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            client: Client::new(options)?,
            runtime,
        })
    }

    pub(crate) fn ask(&self, request: &Request) -> Result<Value, Failure> {
        match &self.runtime {
            Ok(runtime) => runtime.block_on(self.client.ask(request)),
            Err(err) => Err(Failure::Unreachable {
                url: self.client.place(),
                reason: err.to_string(),
            }),
        }
    }

    pub(crate) fn stats(&self) -> Result<Value, Failure> {
        self.ask(&Request::new(Method::GET, ["stats"]))
    }

    pub(crate) fn place(&self) -> String {
        self.client.place()
    }
}
