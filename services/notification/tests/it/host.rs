//! A small SMTP host over TCP: it plays one part per connection and keeps what it has taken in.

use notification::transport::Transport;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// What the host does with one connection.
#[derive(Clone, Copy, PartialEq)]
pub enum Play {
    Take,
    AtRcpt(&'static str),
    AfterData(&'static str),
    HangUpBeforeData,
    /// The whole mail is in, and the line goes dead before the reply: whether it was taken is not known.
    HangUpAfterData,
    Silence,
    Greeting(&'static str),
    WantsLogin,
}

/// A small SMTP host. It plays one part per connection and keeps what it has taken in.
pub struct Host {
    pub url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Host {
    pub async fn start(parts: &'static [Play]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let mails = seen.clone();
        tokio::spawn(async move {
            for part in parts {
                let (socket, _) = listener.accept().await.unwrap();
                // The peer may go away at any time: that is its right.
                let _ = converse(socket, *part, &mails).await;
            }
        });
        Self { url, seen }
    }
    pub fn transport(&self) -> Transport {
        Transport::smtp(&self.url, Duration::from_secs(3)).unwrap()
    }
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn converse(socket: TcpStream, part: Play, mails: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    if part == Play::Silence {
        while lines.next_line().await?.is_some() {}
        return Ok(());
    }
    if let Play::Greeting(words) = part {
        return write.write_all(words.as_bytes()).await;
    }
    write.write_all(b"220 host.example ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let reply: &str = match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => "250-host.example\r\n250 8BITMIME\r\n",
            "MAIL" if part == Play::WantsLogin => "530 5.7.0 Authentication required\r\n",
            "MAIL" | "RSET" | "NOOP" => "250 ok\r\n",
            "RCPT" => match part {
                Play::AtRcpt(words) => words,
                _ => "250 ok\r\n",
            },
            "DATA" if part == Play::HangUpBeforeData => return Ok(()),
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                mails.lock().unwrap().push(mail);
                match part {
                    Play::HangUpAfterData => return Ok(()),
                    Play::AfterData(words) => words,
                    _ => "250 queued\r\n",
                }
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "500 what?\r\n",
        };
        write.write_all(reply.as_bytes()).await?;
    }
    Ok(())
}
