//! Who is the master? Sentinels know.

use redis::{Client, aio::MultiplexedConnection};

use super::connection::{ConnectError, limits, patiently};

/// The Sentinels of one master. The one that answered last is asked first, on the connection it answered on.
pub(super) struct Sentinels {
    clients: Vec<Client>,
    master: String,
    next: usize,
    connection: Option<MultiplexedConnection>,
}

impl Sentinels {
    pub(super) fn new(clients: Vec<Client>, master: &str) -> Self {
        Self {
            clients,
            master: master.to_owned(),
            next: 0,
            connection: None,
        }
    }

    /// Where the master is, from the first Sentinel that knows.
    pub(super) async fn master(&mut self) -> Result<(String, u16), ConnectError> {
        let mut reason = "there is none".to_owned();
        for _ in 0..self.clients.len() {
            match self.ask().await {
                Ok(Some(master)) => return Ok(master),
                Ok(None) => reason = format!("there is no {}", self.master),
                Err(err) => reason = err.to_string(),
            }
            self.pass_on();
        }
        Err(ConnectError::Sentinels(reason))
    }

    /// Where the next Sentinel says that the master is: a question that takes no longer than one of them may.
    pub(super) async fn glance(&mut self) -> Option<(String, u16)> {
        let master = self.ask().await.ok().flatten();
        if master.is_none() {
            self.pass_on();
        }
        master
    }

    /// Another one is asked next.
    pub(super) fn pass_on(&mut self) {
        self.connection = None;
        self.next = (self.next + 1) % self.clients.len().max(1);
    }

    async fn ask(&mut self) -> Result<Option<(String, u16)>, redis::RedisError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.clients.get(self.next) {
                Some(client) => {
                    let config = limits();
                    client
                        .get_multiplexed_async_connection_with_config(&config)
                        .await?
                }
                None => return Ok(None),
            },
        };
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let master = patiently(question.query_async(&mut connection)).await?;
        self.connection = Some(connection);
        Ok(master)
    }
}
